import { figure } from '../scenario.ts'
import { fitLine, type Latency, type Point } from '../stats.ts'

/** Text for HTML and SVG, in content and in quoted attributes. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}

export interface Bar {
  readonly label: string
  readonly value: number
  /** Drawn as the broker's own. */
  readonly own: boolean
}

const WIDTH = 720
const LABEL_WIDTH = 220
const VALUE_WIDTH = 90
const ROW_HEIGHT = 26
const PLOT_WIDTH = WIDTH - LABEL_WIDTH - VALUE_WIDTH

/** Horizontal bars from zero. @param description says in words what is to be seen */
export function bars(title: string, unit: string, all: readonly Bar[]): string {
  const most = Math.max(...all.map(({ value }) => value), Number.MIN_VALUE)
  const rows = all.map(({ label, value, own }, i) => {
    const y = i * ROW_HEIGHT
    const width = (value / most) * PLOT_WIDTH
    return (
      `<text x="${LABEL_WIDTH - 8}" y="${y + 17}" text-anchor="end">${escapeHtml(label)}</text>` +
      `<rect class="${own ? 'own' : 'other'}" x="${LABEL_WIDTH}" y="${y + 4}" width="${width.toFixed(1)}" height="18" rx="2"/>` +
      `<text x="${(LABEL_WIDTH + width + 6).toFixed(1)}" y="${y + 17}">${figure(value)} ${unit}</text>`
    )
  })
  const words = all.map(({ label, value }) => `${label} ${figure(value)} ${unit}`).join(', ')
  return svg(title, words, all.length * ROW_HEIGHT, rows.join(''))
}

export interface LatencyBar {
  readonly label: string
  readonly latency: Latency
}

/** Ticks of a logarithmic axis, in milliseconds. */
const TICKS_MS = [0.1, 1, 10, 100, 1000, 10_000]

/** Latencies on a logarithmic axis: a bar from p50 to p99, marks at p50, p95 and p99, a dot at the maximum. */
export function latencies(title: string, all: readonly LatencyBar[]): string {
  const x = (ms: number) =>
    LABEL_WIDTH + (PLOT_WIDTH + VALUE_WIDTH - 40) * Math.min(1, Math.max(0, (Math.log10(ms) + 1) / 5))
  const height = all.length * ROW_HEIGHT + 20
  const grid = TICKS_MS.map(
    (ms) =>
      `<line class="grid" x1="${x(ms).toFixed(1)}" x2="${x(ms).toFixed(1)}" y1="0" y2="${height - 18}"/>` +
      `<text class="quiet" x="${x(ms).toFixed(1)}" y="${height - 4}" text-anchor="middle">${ms} ms</text>`,
  )
  const rows = all.map(({ label, latency: { p50, p95, p99, max } }, i) => {
    const middle = i * ROW_HEIGHT + ROW_HEIGHT / 2
    const marks = [p50, p95, p99].map(
      (ms) =>
        `<line class="mark" x1="${x(ms).toFixed(1)}" x2="${x(ms).toFixed(1)}" y1="${middle - 7}" y2="${middle + 7}"/>`,
    )
    return (
      `<text x="${LABEL_WIDTH - 8}" y="${middle + 4}" text-anchor="end">${escapeHtml(label)}</text>` +
      `<rect class="own" x="${x(p50).toFixed(1)}" y="${middle - 4}" width="${Math.max(1, x(p99) - x(p50)).toFixed(1)}" height="8"/>` +
      `${marks.join('')}<circle class="mark" cx="${x(max).toFixed(1)}" cy="${middle}" r="3"/>`
    )
  })
  const words = all
    .map(
      ({ label, latency: { p50, p99, max } }) =>
        `${label}: ${figure(p50)}, ${figure(p99)}, ${figure(max)} ms`,
    )
    .join('; ')
  return svg(title, `p50, p99 and maximum. ${words}`, height, grid.join('') + rows.join(''))
}

const LINE_HEIGHT = 200
const LINE_LEFT = 60

/** A figure over time, with the fitted line. */
export function overTime(title: string, unit: string, points: readonly Point[]): string {
  const { slope, intercept } = fitLine(points)
  const first = points[0]?.[0] ?? 0
  const last = points.at(-1)?.[0] ?? 1
  const most = Math.max(...points.map(([, y]) => y), Number.MIN_VALUE) * 1.1
  const x = (seconds: number) =>
    LINE_LEFT + ((seconds - first) / Math.max(1, last - first)) * (WIDTH - LINE_LEFT - 20)
  const y = (value: number) => LINE_HEIGHT - 20 - (value / most) * (LINE_HEIGHT - 30)
  const at = ([seconds, value]: Point) => `${x(seconds).toFixed(1)},${y(value).toFixed(1)}`
  const ends: Point[] = [first, last].map((seconds) => [seconds, intercept + slope * seconds])
  const axis = [0, most / 2.2, most / 1.1].map(
    (value) =>
      `<line class="grid" x1="${LINE_LEFT}" x2="${WIDTH - 20}" y1="${y(value).toFixed(1)}" y2="${y(value).toFixed(1)}"/>` +
      `<text class="quiet" x="${LINE_LEFT - 6}" y="${(y(value) + 4).toFixed(1)}" text-anchor="end">${figure(value)}</text>`,
  )
  const times = [first, last].map(
    (seconds, i) =>
      `<text class="quiet" x="${x(seconds).toFixed(1)}" y="${LINE_HEIGHT - 4}" text-anchor="${i === 0 ? 'start' : 'end'}">${figure(seconds / 60)} min</text>`,
  )
  const words = `${figure(slope * 60)} ${unit} per minute by the fitted line, from ${figure(ends[0]![1])} to ${figure(ends[1]![1])} ${unit}`
  return svg(
    title,
    words,
    LINE_HEIGHT,
    `${axis.join('')}${times.join('')}<polyline class="line" points="${points.map(at).join(' ')}"/>` +
      `<polyline class="fit" points="${ends.map(at).join(' ')}"/>`,
  )
}

let drawn = 0

/** A figure with its title and its content in words, for those who do not see it. */
function svg(title: string, description: string, height: number, content: string): string {
  const id = `chart-${++drawn}`
  return (
    `<figure><figcaption>${escapeHtml(title)}</figcaption>` +
    `<svg role="img" aria-labelledby="${id}-title ${id}-desc" viewBox="0 0 ${WIDTH} ${height}">` +
    `<title id="${id}-title">${escapeHtml(title)}</title><desc id="${id}-desc">${escapeHtml(description)}</desc>${content}</svg>` +
    `<p class="quiet">${escapeHtml(description)}.</p></figure>`
  )
}
