/**
 * The path of a program, installed from the distribution's packages if there is none and this may be done.
 * Says plainly when it cannot be had.
 *
 * @param names the command names that Debian and others give it
 * @param debian the name of Debian's package, and of the command in it
 * @param purpose what it is for, such as `the browser test`
 */
export function findProgram(names: readonly string[], debian: string, purpose: string): string | undefined {
  const found = names.map((name) => Bun.which(name)).find((path) => path !== null)
  if (found) return found
  if (process.getuid?.() === 0 && Bun.which('apt-get')) {
    console.log(`Installing ${debian} for ${purpose} (apt-get) …`)
    for (const args of [
      ['update', '-q'],
      ['install', '-qy', '--no-install-recommends', debian],
    ]) {
      const { exitCode, stderr } = Bun.spawnSync(['apt-get', ...args], {
        env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
        stdout: 'ignore',
      })
      if (exitCode !== 0)
        console.log(`apt-get ${args[0]} failed: ${stderr.toString().trim().split('\n').at(-1)}`)
    }
    const installed = Bun.which(debian)
    if (installed) return installed
  }
  console.log(
    `There is no ${debian}, and it could not be installed: ${purpose} is not to be had. On Debian: apt-get install ${debian}`,
  )
  return undefined
}
