/** One row of the events table of the skaha wire (wire contract 1.7). Times are as the server wrote them. */
export interface SessionEvent {
  readonly type: string
  readonly reason: string
  readonly message: string
  readonly firstTime: string
  readonly lastTime: string
}

/** Parses the events table: a heading, then rows of five cells separated by two or more spaces. Other lines are ignored. */
export function parseSessionEvents(text: string): SessionEvent[] {
  return text
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/ {2,}/))
    .flatMap(([type, reason, message, firstTime, lastTime, ...more]) =>
      type && reason && message && firstTime && lastTime && more.length === 0
        ? [{ type, reason, message, firstTime, lastTime }]
        : [],
    )
}
