/** The known paths and their methods, to tell a wrong method from an unknown path. */
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

  /** The methods of a path, in the spelling in which it was added. */
  methods(path: string): string[] {
    return [...(this.#paths.get(path)?.methods ?? [])]
  }

  /** The methods of the path of a request; none if the path is unknown. */
  methodsOf(requested: string): string[] {
    const methods = new Set<string>()
    for (const { pattern, methods: some } of this.#paths.values())
      if (pattern.test(requested)) for (const method of some) methods.add(method)
    return [...methods]
  }
}
