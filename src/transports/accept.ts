/**
 * The media type of `offers` that an Accept header prefers; the first offer where it has no preference.
 * Source: RFC 9110, section 12.5.1.
 */
export function preferredType<T extends string>(accept: string | null, offers: readonly [T, ...T[]]): T {
  const ranges = (accept ?? '*/*').split(',', RANGES_MAX).map((range) => {
    const [type = '', ...params] = range.split(';').map((part) => part.trim().toLowerCase())
    const q = params.find((param) => param.startsWith('q='))
    return { type, q: q === undefined ? 1 : Number(q.slice(2)) || 0 }
  })
  const liking = (offer: string) => {
    const kinds = [offer, `${offer.slice(0, offer.indexOf('/'))}/*`, '*/*']
    for (const kind of kinds) {
      const range = ranges.find(({ type }) => type === kind)
      if (range) return range.q
    }
    return 0
  }
  return offers.reduce((best, offer) => (liking(offer) > liking(best) ? offer : best))
}

/** Media ranges that are read of one header; the rest is ignored, so that a long header costs little. */
const RANGES_MAX = 20
