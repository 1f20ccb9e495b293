import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { link, readFile, unlink, writeFile } from 'node:fs/promises'

const algorithm = 'aes-256-gcm'
const nonceBytes = 12
const tagBytes = 16

/** Encrypts secrets that are stored in the database. */
export interface Seal {
  readonly seal: (secret: string) => string
  /** Decrypts a text. @throws where it was not sealed with this key, or was changed. */
  readonly unseal: (sealed: string) => string
  /** Derives bytes that cannot be computed without the key: equal for equal purposes, different for others (HKDF, RFC 5869). */
  readonly derive: (purpose: string, bytes: number) => Uint8Array
}

/**
 * Opens the key in `file`, or creates it: 256 random bits, readable by the platform account only. The key is a file beside
 * the database, so that a copy of the database reveals no secrets.
 */
export async function openSeal(file: string): Promise<Seal> {
  if (!existsSync(file)) await makeKey(file)
  const key = Buffer.from(await readFile(file, 'utf8'), 'base64')
  if (key.length !== 32) throw new Error(`${file} does not hold a key of 32 bytes in base64.`)
  return {
    derive: (purpose, bytes) => new Uint8Array(hkdfSync('sha256', key, '', purpose, bytes)),
    seal: (secret) => {
      const nonce = randomBytes(nonceBytes)
      const cipher = createCipheriv(algorithm, key, nonce)
      const text = Buffer.concat([cipher.update(secret, 'utf8'), cipher.final()])
      return Buffer.concat([nonce, cipher.getAuthTag(), text]).toString('base64')
    },
    unseal: (sealed) => {
      const bytes = Buffer.from(sealed, 'base64')
      const decipher = createDecipheriv(algorithm, key, bytes.subarray(0, nonceBytes))
      decipher.setAuthTag(bytes.subarray(nonceBytes, nonceBytes + tagBytes))
      return Buffer.concat([decipher.update(bytes.subarray(nonceBytes + tagBytes)), decipher.final()]).toString('utf8')
    },
  }
}

/** Written atomically: another process that opens the key at the same moment never reads a partial key. */
async function makeKey(file: string): Promise<void> {
  const temporary = `${file}.${randomBytes(6).toString('hex')}`
  await writeFile(temporary, randomBytes(32).toString('base64'), { mode: 0o600, flag: 'wx', flush: true })
  try {
    await link(temporary, file)
  } catch (error) {
    // Another process created the key first; that key is used.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    await unlink(temporary)
  }
}
