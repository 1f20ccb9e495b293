/** A duration in its two largest units: `4 d 3 h`, `2 min 5 s`, `0.4 s`, `12 ms`. */
export function duration(seconds: number): string {
  if (seconds < 0.0995) return `${Math.round(Math.max(0, seconds) * 1000)} ms`
  if (seconds < 0.95) return `${seconds.toFixed(1)} s`
  const units: [number, string][] = [
    [86_400, 'd'],
    [3_600, 'h'],
    [60, 'min'],
    [1, 's'],
  ]
  const whole = Math.round(seconds)
  const largest = units.findIndex(([size]) => whole >= size)
  const [size, unit] = units[largest] ?? [1, 's']
  const [smaller, smallerUnit] = units[largest + 1] ?? [1, '']
  const count = Math.floor(whole / size)
  const rest = Math.floor((whole - count * size) / smaller)
  return rest === 0 || smallerUnit === '' ? `${count} ${unit}` : `${count} ${unit} ${rest} ${smallerUnit}`
}

/** Bytes in binary units with three figures: `512 B`, `1.50 GiB`. */
export function bytes(count: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let value = count
  let unit = 0
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit += 1
  }
  const digits = unit === 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2
  return `${value.toFixed(digits)} ${units[unit] ?? ''}`
}

/** Bytes of the units that memory has on the skaha wire; a number without one is decimal gigabytes (wire contract 1.6). */
const wireUnits: Readonly<Record<string, number>> = { '': 1e9, G: 1e9, M: 1e6, Gi: 1024 ** 3, Mi: 1024 ** 2 }

/** Memory of the skaha wire, such as `17.18`, `64G` or `32Gi`, in GiB. Other texts stay as they are. */
export function memory(wire: string): string {
  const [, count, unit = ''] = /^(\d+(?:\.\d+)?)([GM]i?)?$/.exec(wire) ?? []
  if (count === undefined) return wire
  return `${Number(((Number(count) * (wireUnits[unit] ?? 1)) / 1024 ** 3).toFixed(2))} GiB`
}

/** A share in whole per cent; `<1 %` instead of 0 for a small share. */
export function percent(part: number, whole: number): string {
  const share = Math.round((100 * part) / whole)
  return share === 0 && part > 0 ? '<1 %' : `${share} %`
}

/** An instant in UTC to the second: `2026-11-23 08:37:45 UTC`. */
export const instant = (iso: string): string => `${new Date(iso).toISOString().slice(0, 19).replace('T', ' ')} UTC`

/** Seconds of a text such as `90`, `90s`, `30m`, `12h` or `2d`; undefined for other texts. */
export function parseDuration(text: string): number | undefined {
  const found = /^(\d+(?:\.\d+)?)\s*([smhd]?)$/.exec(text.trim())
  if (found === null) return undefined
  const sizes: Record<string, number> = { '': 1, s: 1, m: 60, h: 3_600, d: 86_400 }
  return Math.round(Number(found[1]) * (sizes[found[2] ?? ''] ?? 1))
}

/** An instant to the minute, for columns: `2026-11-23 08:37Z`. */
export const minute = (iso: string): string => `${new Date(iso).toISOString().slice(0, 16).replace('T', ' ')}Z`
