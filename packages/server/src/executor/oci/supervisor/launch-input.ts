import type { OciConfig } from '../container/bundle.ts'

/** The files of a bundle that belong to one attempt alone; the supervisor makes them. */
export interface LaunchInput {
  readonly config: OciConfig
  /** Contents of the container's /etc/hosts, which holds its own name and address. */
  readonly hosts: string
  /** Owner of the scratch folder; absent without root, where there is one user. */
  readonly owner?: { readonly uid: number; readonly gid: number }
  /** Where the log of this attempt would be if it had run and been forgotten: then it does not run again. */
  readonly keptLog: string
  /** Whether the container needs a /tmp of its own. */
  readonly ownTmp: boolean
}

/** The input as the supervisor reads it (perl-base has no JSON): lines of a key, a blank and a value; an empty line; the configuration. Pure. */
export function launchInput({ config, hosts, owner, keptLog, ownTmp }: LaunchInput): string {
  const lines = [
    `kept ${keptLog}`,
    ...(owner === undefined ? [] : [`owner ${owner.uid} ${owner.gid}`]),
    ...(ownTmp ? ['tmp 1'] : []),
    ...hosts
      .replace(/\n$/, '')
      .split('\n')
      .map((line) => `hosts ${line}`),
  ]
  return `${lines.join('\n')}\n\n${JSON.stringify(config)}`
}
