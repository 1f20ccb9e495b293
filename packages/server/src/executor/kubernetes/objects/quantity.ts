const suffixes: Readonly<Record<string, number>> = {
  '': 1,
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
}

/** A Kubernetes quantity (`1500m`, `24581684Ki`, `1e3`) as a number; 0 when absent. Pure. @throws where the text is not a quantity. */
export function parseQuantity(text: string | undefined): number {
  if (text === undefined) return 0
  const [, digits = '', suffix = ''] = /^([+-]?[\d.]+(?:[eE][+-]?\d+)?)([A-Za-z]*)$/.exec(text) ?? []
  const factor = suffixes[suffix]
  const value = Number(digits)
  if (digits === '' || factor === undefined || Number.isNaN(value))
    throw new Error(`${JSON.stringify(text)} is not a quantity`)
  return value * factor
}

/** Cores as a quantity, in thousandths. Pure. */
export const coresQuantity = (cores: number): string => `${Math.round(cores * 1000)}m`

/** Gibibytes as a quantity, in whole bytes. Pure. */
export const gibibytesQuantity = (gibibytes: number): string => String(Math.round(gibibytes * 2 ** 30))
