/** When a job is expected to start, in seconds from now: one in ten earlier than `p10`, half later than `p50`, one in ten later than `p90`. */
export interface Band {
  readonly p10: number
  readonly p50: number
  readonly p90: number
}

/** A forecast for a job that has started since, and how long the job waited: seconds. */
export interface Score {
  readonly forecast: number
  readonly waited: number
}

/** How many scores of similar forecasts the band is made of: the newest. */
const mostScores = 200
const fewestScores = 20

/**
 * The band that held eight in ten of earlier forecasts like this one: the forecast, times what the wait turned out to be compared with
 * it (split conformal prediction). Queues change, so it is as wide as the older of those scores must be to hold eight in ten of the
 * newer. With too few scores it is from a third to three times the forecast.
 */
export function band(forecast: number, scores: readonly Score[]): Band {
  const similar = scores
    .filter((score) => Math.abs(log(score.forecast) - log(forecast)) < Math.log(3))
    .slice(-mostScores)
  if (similar.length < fewestScores) return { p10: forecast / 3, p50: forecast, p90: forecast * 3 + 60 }
  const ratios = similar.map((score) => log(score.waited) - log(score.forecast))
  const tail = tailThatHeld(ratios)
  const sorted = ratios.toSorted((a, b) => a - b)
  const at = (part: number): number => Math.max(0, Math.exp(log(forecast) + (quantile(sorted, part) ?? 0)) - grain)
  return { p10: at(tail), p50: at(0.5), p90: at(1 - tail) }
}

/** The largest part to leave out on either side with which the older two thirds held eight in ten of the newer third. */
function tailThatHeld(ratios: readonly number[]): number {
  const split = Math.floor((ratios.length * 2) / 3)
  const older = ratios.slice(0, split).toSorted((a, b) => a - b)
  const newer = ratios.slice(split)
  const isHeld = (tail: number): boolean => {
    const [low = -Infinity, high = Infinity] = [quantile(older, tail), quantile(older, 1 - tail)]
    return newer.filter((ratio) => ratio >= low && ratio <= high).length >= 0.8 * newer.length
  }
  return tails.find(isHeld) ?? 0.02
}
const tails = [0.12, 0.1, 0.08, 0.06, 0.04]

/** Whether a wait was within the band. */
export const isWithin = ({ p10, p90 }: Band, waited: number): boolean => waited >= p10 && waited <= p90

/** Half a minute more or less makes no difference. */
const grain = 30
const log = (seconds: number): number => Math.log(seconds + grain)

function quantile(sorted: readonly number[], part: number): number | undefined {
  const place = (sorted.length - 1) * part
  const [below, above] = [sorted[Math.floor(place)], sorted[Math.ceil(place)]]
  return below === undefined || above === undefined ? undefined : below + (above - below) * (place % 1)
}
