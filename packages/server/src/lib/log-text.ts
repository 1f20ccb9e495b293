import { styleText } from 'node:util'
import { errorText, type ErrorFacts } from './error-facts.ts'

/** A record as pino writes it. */
export interface LogRecord {
  readonly level: number
  /** Milliseconds since the epoch. */
  readonly time: number
  readonly msg?: string
  readonly err?: ErrorFacts
  readonly [field: string]: unknown
}

/** Levels of pino, highest first. */
const levels = [
  [60, 'FATAL', 'red'],
  [50, 'ERROR', 'red'],
  [40, 'WARN', 'yellow'],
  [30, 'INFO', 'green'],
  [20, 'DEBUG', 'dim'],
  [0, 'TRACE', 'dim'],
] as const

/**
 * A record as one line for people: time, level, message, then the fields as key=value. An error is shown by its messages and
 * those of its causes. With `stacks` the stack follows on separate lines. Pure.
 */
export function recordText(record: LogRecord, { colours, stacks }: { colours: boolean; stacks: boolean }): string {
  const { level, time, msg = '', err, pid: _pid, hostname: _hostname, ...fields } = record
  const [, word, style] = levels.find(([from]) => level >= from) ?? levels[5]
  const paint = (name: 'dim' | typeof style, text: string): string =>
    colours ? styleText(name, text, { validateStream: false }) : text
  const facts = Object.entries({ ...fields, ...(err === undefined ? {} : { error: oneLine(errorText(err)) }) })
  return [
    [
      paint('dim', new Date(time).toISOString()),
      paint(style, word.padEnd(5)),
      oneLine(msg),
      ...facts.map(([name, value]) => `${paint('dim', `${name}=`)}${valueText(value)}`),
    ].join(' '),
    ...(stacks && err !== undefined ? stackLines(err) : []),
    '',
  ].join('\n')
}

function stackLines({ stack, cause }: ErrorFacts): string[] {
  const own = (stack ?? '').split('\n').map((line) => `    ${visible(line.trim())}`)
  return cause === undefined ? own : [...own, ...stackLines(cause)]
}

const valueText = (value: unknown): string => {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? '')
  return /^[^\s"=\p{C}]+$/u.test(text) ? text : `"${visible(text.replaceAll(/["\\]/g, '\\$&'))}"`
}

const oneLine = (text: string): string => visible(text.trim().replaceAll(/\s*\n\s*/g, '; '))

/** Escapes control and format characters, which a terminal would interpret. */
const visible = (text: string): string =>
  text.replaceAll(/\p{C}/gu, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
