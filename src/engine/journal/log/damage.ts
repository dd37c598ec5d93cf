/** What is on the disk is not what was written, and is no torn tail either. Nothing was changed. */
export class Damage extends Error {
  constructor(
    readonly file: string,
    /** Bytes from the start of the file. */
    readonly offset: number,
    /** What is wrong there, in words. */
    readonly what: string,
  ) {
    super(`${file} is damaged at byte ${offset}: ${what}`)
  }
}
