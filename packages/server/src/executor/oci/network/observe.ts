import { readFile } from 'node:fs/promises'
import { runTool } from '../../../lib/tool.ts'
import type { ObservedNetwork } from './faults.ts'
import { parseLinks } from './links.ts'
import type { NetworkPlan } from './plan.ts'

/** Prints the tables of one name in two families and the links, each with a line of its exit code behind it. */
const script = `
for family in inet bridge; do nft --stateless list table $family "$1" 2>&1; printf '\\n=%s\\n' $?; done
ip -json -details addr 2>&1; printf '\\n=%s\\n' $?`

/**
 * The rules of a platform without counters, the links of this machine, and whether the kernel forwards from the bridge. One process of
 * the shell starts the three tools: each process that this large server starts itself takes milliseconds of its main thread.
 */
export async function observeNetwork(plan: NetworkPlan): Promise<ObservedNetwork> {
  const [printed, forwards] = await Promise.all([
    runTool('sh', ['-c', script, 'sh', `sp_${plan.instance}`]),
    readForwarding(plan.bridge),
  ])
  const [inet, bridge, links] = printed
    .toString()
    .split(/(?<=\n=\d+)\n/)
    .map(parsePart)
  if (links === undefined) throw new Error('ip printed nothing')
  return { tables: { inet: tableOf(inet), bridge: tableOf(bridge) }, links: parseLinks(textOf(links, 'ip')), forwards }
}

interface Part {
  readonly text: string
  readonly code: number
}

function parsePart(printed: string): Part {
  const at = printed.lastIndexOf('\n=')
  return { text: printed.slice(0, at), code: Number(printed.slice(at + 2)) }
}

/** A printed table; undefined where there is none. */
function tableOf(part: Part | undefined): string | undefined {
  if (part === undefined) throw new Error('nft printed nothing')
  return part.code !== 0 && part.text.includes('No such file or directory') ? undefined : textOf(part, 'nft')
}

function textOf({ text, code }: Part, tool: string): string {
  if (code !== 0) throw new Error(`${tool} exited with ${code}: ${text.trim()}`)
  return text
}

/** The switch of the kernel for forwarding from a bridge. */
export const forwardingOf = (bridge: string): string => `/proc/sys/net/ipv4/conf/${bridge}/forwarding`

/** Whether the kernel forwards from the bridge; false without a bridge. */
export async function readForwarding(bridge: string): Promise<boolean> {
  const text = await readFile(forwardingOf(bridge), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error
    return '0'
  })
  return text.trim() !== '0'
}
