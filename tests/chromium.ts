/** The command names that Debian and others give it. */
const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']

/**
 * The path of a Chromium, installed from the distribution's packages if there is none and this may be done. Says plainly
 * when it cannot be had; the browser test then fails.
 */
export function findChromium(): string | undefined {
  const found = NAMES.map((name) => Bun.which(name)).find((path) => path !== null)
  if (found) return found
  if (process.getuid?.() === 0 && Bun.which('apt-get')) {
    console.log('Installing chromium for the browser test (apt-get) …')
    for (const args of [
      ['update', '-q'],
      ['install', '-qy', '--no-install-recommends', 'chromium'],
    ]) {
      const { exitCode, stderr } = Bun.spawnSync(['apt-get', ...args], {
        env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
        stdout: 'ignore',
      })
      if (exitCode !== 0)
        console.log(`apt-get ${args[0]} failed: ${stderr.toString().trim().split('\n').at(-1)}`)
    }
    const installed = Bun.which('chromium')
    if (installed) return installed
  }
  console.log(
    'There is no Chromium, and it could not be installed: the browser test will fail. On Debian: apt-get install chromium',
  )
  return undefined
}
