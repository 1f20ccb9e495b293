/** When a job is expected to start, in seconds from now: one in ten earlier than `p10`, half later than `p50`, one in ten later than `p90`. */
export interface Band {
  readonly p10: number
  readonly p50: number
  readonly p90: number
}

/** What was forecast for jobs that have started since, and what happened: seconds. The newest last. */
export interface Score {
  readonly forecast: number
  readonly waited: number
}

/** How many scores of alike forecasts are looked at, and how few are too few. */
const most = 200
const least = 20

/**
 * The band that holds what was the truth for eight in ten earlier forecasts like this one: the forecast's median, times what
 * the wait turned out to be compared with it (split conformal prediction). Queues change, so it is as wide as the older of
 * those scores had to be made to hold eight in ten of the newer. With too few scores it is the draws' own spread, widened.
 */
export function band(draws: readonly number[], scores: readonly Score[]): Band | undefined {
  const median = quantile(draws, 0.5)
  if (median === undefined) return undefined
  const alike = scores.filter(({ forecast }) => Math.abs(log(forecast) - log(median)) < Math.log(3)).slice(-most)
  if (alike.length < least) {
    const [low = 0, high = 0] = [draws[0], draws.at(-1)]
    return { p10: low / 2, p50: median, p90: high * 2 + 60 }
  }
  const ratios = alike.map(({ forecast, waited }) => log(waited) - log(forecast))
  const tail = tailThatHeld(ratios)
  const sorted = ratios.toSorted((a, b) => a - b)
  const at = (part: number): number => Math.max(0, Math.exp(log(median) + (quantile(sorted, part) ?? 0)) - grain)
  return { p10: at(tail), p50: at(0.5), p90: at(1 - tail) }
}

/** The largest part that may be left out on either side so that the older two thirds held eight in ten of the newer third. */
function tailThatHeld(ratios: readonly number[]): number {
  const split = Math.floor((ratios.length * 2) / 3)
  const older = ratios.slice(0, split).toSorted((a, b) => a - b)
  const newer = ratios.slice(split)
  const held = (tail: number): boolean => {
    const [low = -Infinity, high = Infinity] = [quantile(older, tail), quantile(older, 1 - tail)]
    return newer.filter((ratio) => ratio >= low && ratio <= high).length >= 0.8 * newer.length
  }
  return tails.find(held) ?? 0.02
}
const tails = [0.12, 0.1, 0.08, 0.06, 0.04]

/** Whether a wait came out within what was told. */
export const isWithin = ({ p10, p90 }: Band, waited: number): boolean => waited >= p10 && waited <= p90

/** Half a minute more or less is the same. */
const grain = 30
const log = (seconds: number): number => Math.log(seconds + grain)

function quantile(sorted: readonly number[], part: number): number | undefined {
  const place = (sorted.length - 1) * part
  const [below, above] = [sorted[Math.floor(place)], sorted[Math.ceil(place)]]
  return below === undefined || above === undefined ? undefined : below + (above - below) * (place % 1)
}
