/** The paths that are answered and by which methods: what tells a wrong method from a wrong path. */
export class PathTable {
  #paths = new Map<string, { readonly pattern: RegExp; readonly methods: Set<string> }>()

  /** @param path as the command table writes it, such as `/v1/sessions/{session_id}` */
  add(method: string, path: string): void {
    const known = this.#paths.get(path)
    if (known) known.methods.add(method)
    else
      this.#paths.set(path, {
        pattern: new RegExp(`^${path.replaceAll(/\{\w+\}/g, '[^/]+')}/?$`),
        methods: new Set([method]),
      })
  }

  /** The methods of a path as it was added. */
  methods(path: string): string[] {
    return [...(this.#paths.get(path)?.methods ?? [])]
  }

  /** The methods that a request's path answers; none where there is nothing. */
  methodsOf(requested: string): string[] {
    const methods = new Set<string>()
    for (const { pattern, methods: some } of this.#paths.values())
      if (pattern.test(requested)) for (const method of some) methods.add(method)
    return [...methods]
  }
}
