import { findProgram } from './programs.ts'

/** The command names that Debian and others give it. */
const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']

/**
 * The path of a Chromium, installed if there is none and this may be done; without one the browser test
 * fails.
 */
export function findChromium(): string | undefined {
  return findProgram(NAMES, 'chromium', 'the browser test')
}
