import type { Job } from '@science-platform/contract'
import { table } from '../../bench/table.ts'

/** Column names and rows of a catalogue of source-extractor (ASCII_HEAD). */
export interface Catalogue {
  readonly columns: readonly string[]
  readonly rows: readonly (readonly string[])[]
}

/** Parses a catalogue: lines `# 1 NAME words` name the columns, the others are rows. */
export function parseCatalogue(text: string): Catalogue {
  const lines = text.split('\n').filter((line) => line.trim() !== '')
  const words = (line: string): string[] => line.trim().split(/\s+/)
  return {
    columns: lines.filter((line) => line.startsWith('#')).map((line) => words(line)[2] ?? ''),
    rows: lines.filter((line) => !line.startsWith('#')).map(words),
  }
}

/** The first rows with headings, at most 80 columns wide. */
export function firstRows({ columns, rows }: Catalogue, count: number): string {
  const shown = [columns.map((name) => name.replace(/_(IMAGE|AUTO)$/, '').toLowerCase()), ...rows.slice(0, count)]
  const widths = shown.reduce<number[]>((all, row) => row.map((cell, i) => Math.max(all[i] ?? 0, cell.length)), [])
  return shown.map((row) => `  ${row.map((cell, i) => cell.padStart(widths[i] ?? 0)).join(' ')}`).join('\n')
}

/** Used and requested resources, one job per row, with headings. */
export function usageTable(jobs: readonly Job[]): string {
  return table([
    ['job', 'state', 'exit code', 'ran', 'CPU time', 'cores', 'memory', 'asked'],
    ...jobs.map((job) => {
      const { usage = {}, resources, startedAt, endedAt } = job
      const ran =
        startedAt === undefined || endedAt === undefined ? undefined : Date.parse(endedAt) - Date.parse(startedAt)
      return [
        job.name,
        job.state,
        orUnknown(job.exitCode, String),
        orUnknown(ran, (milliseconds) => `${(milliseconds / 1000).toFixed(1)} s`),
        orUnknown(usage.cpuSeconds, (seconds) => `${seconds.toFixed(1)} s`),
        String(resources.cores.limit),
        orUnknown(usage.memoryPeakBytes, (bytes) => `${Math.ceil(bytes / 2 ** 20)} MiB`),
        `${resources.memoryGb.limit} GiB`,
      ]
    }),
  ])
}

const orUnknown = <T>(value: T | undefined, words: (value: T) => string): string =>
  value === undefined ? '?' : words(value)
