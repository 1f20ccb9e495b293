import { quoteWord } from '@science-platform/client'
import type { Attempt, Job, SessionRecord } from '@science-platform/contract'
import { troubleshooting } from '@science-platform/contract/troubleshooting'
import { bytes, duration, instant, memory, percent } from './quantities.ts'

/** A name and its text. A field without a text is left out. */
export type Field = readonly [name: string, value: string | undefined]

const gibibyte = 1024 ** 3

/** Fields of a job of the platform's own API. `now` is in milliseconds since the epoch. */
export function jobFields(job: Job, now: number): Field[] {
  const { startedAt, endedAt, submittedAt, deadlineAt, array, exitCode, cause, image, imageDigest } = job
  const isWaiting = job.state === 'queued' || job.state === 'held' || job.state === 'starting'
  return [
    ['Job', job.id],
    ['Name', job.name],
    ['Part of', array && `array ${array.id}, task ${array.index} of ${array.count}`],
    ['State', job.state],
    ['Waiting for', isWaiting ? job.reason : undefined],
    ['Exit code', exitCode?.toString()],
    ['Cause', job.state === 'succeeded' ? undefined : cause?.message],
    ['Fix', job.state === 'succeeded' ? undefined : cause?.hint],
    ['Remark', cause?.remarks?.join('\n')],
    ['See', job.state === 'failed' && cause !== undefined ? troubleshooting(cause.code) : undefined],
    ['Image', image],
    ['SHA-256', imageDigest?.replace(/^sha256:/, '')],
    ['Command', commandText(job.cmd, job.args)],
    ['Folder', job.workingDirectory],
    ['Network', job.network],
    ['Cores', coresText(job)],
    ['Memory', memoryText(job)],
    [
      'GPUs',
      job.resources.gpus === 0
        ? undefined
        : `${job.resources.gpus}${job.gpuKind === undefined ? '' : ` (${job.gpuKind})`}`,
    ],
    ['Disk', diskText(job)],
    ['Group', job.group],
    ['Labels', labelsText(job.labels)],
    ['To start', startText(job)],
    ['Wanted by', job.by && instant(job.by)],
    ['Submitted', instant(submittedAt)],
    ['Started', startedAt && `${instant(startedAt)} (waited ${between(submittedAt, startedAt)})`],
    [
      'Ended',
      endedAt && `${instant(endedAt)}${startedAt === undefined ? '' : ` (ran ${between(startedAt, endedAt)})`}`,
    ],
    ['Running for', startedAt && endedAt === undefined ? duration((now - Date.parse(startedAt)) / 1000) : undefined],
    ['Ends at latest', endedAt === undefined && deadlineAt ? instant(deadlineAt) : undefined],
    ['Attempts', job.attempts.length > 1 ? job.attempts.map(attemptText).join('\n') : undefined],
  ]
}

/** Fields of a session of any skaha server. */
export function sessionFields(session: SessionRecord): Field[] {
  const { requestedCPUCores: cores, requestedRAM: ram, cpuCoresInUse, ramInUse } = session
  return [
    ['Session', session.id],
    ['Name', session.name],
    ['Kind', session.type],
    ['Status', session.status],
    ['Waiting for', session.reason],
    ['Exit code', session.exitCode?.toString()],
    ['Cause', session.cause?.message],
    ['Fix', session.cause?.hint],
    ['Remark', session.cause?.remarks?.join('\n')],
    ['Image', session.image],
    ['Cores', askedAndUsed(cores, cpuCoresInUse)],
    ['Memory', askedAndUsed(ram && memory(ram), ramInUse && memory(ramInUse))],
    ['Started', session.startTime],
    ['Ends at latest', session.expiryTime],
    ['URL', session.connectURL],
    ['User', session.userid],
  ]
}

function startText({ when, after }: Job): string | undefined {
  const parts = [
    when === undefined ? [] : ['in the off-peak hours'],
    after === undefined ? [] : [`after ${instant(after)}`],
  ]
  return parts.flat().join(', ') || undefined
}

const between = (from: string, to: string): string => duration((Date.parse(to) - Date.parse(from)) / 1000)

function commandText(cmd: readonly string[] = [], args: readonly string[] = []): string | undefined {
  const words = [...cmd, ...args].map(quoteWord).join(' ')
  return words === '' ? undefined : words
}

/** One label a line. */
const labelsText = (labels: Job['labels'] = {}): string | undefined =>
  Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join('\n') || undefined

function coresText({ resources: { cores }, usage, endedAt }: Job): string {
  const verb = endedAt === undefined ? 'uses' : 'used'
  const used = usage?.cores === undefined ? [] : [`${verb} ${usage.cores.toFixed(2)}`]
  const time = usage?.cpuSeconds === undefined ? [] : [`CPU time ${duration(usage.cpuSeconds)}`]
  return [`asked ${span(cores.request, cores.limit)}`, ...used, ...time].join(', ')
}

function memoryText({ resources: { memoryGb }, usage }: Job): string {
  const now = usage?.memoryBytes === undefined ? [] : [`uses ${bytes(usage.memoryBytes)}`]
  const [peak, charged] = [usage?.residentPeakBytes, usage?.memoryPeakBytes]
  const part = (of: number): string => `${bytes(of)} (${percent(of, memoryGb.limit * gibibyte)})`
  const most = peak === undefined ? [] : [`needed at most ${part(peak)}`]
  const withCache = charged === undefined ? [] : [`at most ${part(charged)} with page cache`]
  return [`asked ${span(memoryGb.request, memoryGb.limit)} GiB`, ...now, ...most, ...withCache].join(', ')
}

function diskText({ usage }: Job): string | undefined {
  if (usage === undefined) return undefined
  const { readBytes, writtenBytes } = usage
  if (readBytes === undefined && writtenBytes === undefined) return 'not measured'
  const count = (of: number | undefined): string => (of === undefined ? 'not measured' : bytes(of))
  return `read ${count(readBytes)}, written ${count(writtenBytes)}`
}

/** A request: one number, or the request and the limit. */
const span = (request: number, limit: number): string => (request === limit ? String(limit) : `${request} to ${limit}`)

function attemptText({ number, node, startedAt, endedAt, cause }: Attempt): string {
  const ran = startedAt && endedAt ? `, ran ${between(startedAt, endedAt)}` : ''
  return `${number} on ${node}${ran}${cause === undefined ? '' : `: ${cause.message}`}`
}

function askedAndUsed(asked: string | undefined, used: string | undefined): string | undefined {
  const parts = [asked && `asked ${asked}`, used && `uses ${used}`].filter(Boolean)
  return parts.length === 0 ? undefined : parts.join(', ')
}
