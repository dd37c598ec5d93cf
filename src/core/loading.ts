/** How far an engine has come with loading what it has stored; undefined until it says. */
export interface Loading {
  loaded_bytes: number | undefined
  total_bytes: number | undefined
}

/**
 * Is told how far an engine has come.
 *
 * @param loaded_bytes rises to `total_bytes`, the size of what is stored
 */
export type Progress = (loaded_bytes: number, total_bytes: number) => void

/** How far it is, for people: "12.3 of 328.0 MiB (3 %)". */
export function loadedText(loaded_bytes: number, total_bytes: number): string {
  const percent = total_bytes > 0 ? Math.floor((100 * loaded_bytes) / total_bytes) : 100
  return `${mebibytes(loaded_bytes)} of ${mebibytes(total_bytes)} MiB (${percent} %)`
}

function mebibytes(bytes: number): string {
  return (bytes / 1024 / 1024).toFixed(1)
}
