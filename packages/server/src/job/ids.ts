import { randomInt } from 'node:crypto'

const letters = 'abcdefghijklmnopqrstuvwxyz'
const lettersAndDigits = `${letters}0123456789`

/** A new job id: eight characters (wire contract 2.2) from the system's secure random source. */
export function newJobId(random: (below: number) => number = randomInt): string {
  let id = letters.charAt(random(letters.length))
  for (let i = 0; i < 7; i++) id += lettersAndDigits.charAt(random(lettersAndDigits.length))
  return id
}
