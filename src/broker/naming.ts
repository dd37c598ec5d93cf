/** Tells a caller whose door keeps no session that its check-in is not remembered. */
export const NOT_KEPT = 'No check-in is kept between the calls of your client'

/** Tells a caller whose door keeps no session how to name itself. */
export function namingYourself(client_id: string): string {
  return `pass sender_id "${client_id}" in each call that sends, and client_id "${client_id}" in each that reads`
}
