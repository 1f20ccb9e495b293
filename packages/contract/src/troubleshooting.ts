import type { CauseCode } from './causes.ts'

/** What the product remarks on beside the causes of endings; each has a place on the page. */
export const troubleshootingTopics = ['no-shell', 'no-stdin', 'incomplete-log'] as const
export type TroubleshootingTopic = (typeof troubleshootingTopics)[number]

/** The place of a cause or topic in the troubleshooting page. Texts stay short and name it. */
export const troubleshooting = (of: CauseCode | TroubleshootingTopic): string => `docs/troubleshooting.md#${of}`
