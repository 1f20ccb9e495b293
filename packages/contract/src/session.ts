/** A job as the skaha wire shows it (wire contract 1.6). Numbers travel as strings; what is unknown is absent. */
export interface SessionRecord {
  id: string
  userid: string
  runAsUID: string
  runAsGID: string
  supplementalGroups: number[]
  image: string
  type: string
  status: string
  name: string
  /** UTC with `Z`; absent while it waits. */
  startTime?: string
  expiryTime?: string
  /** Empty for headless sessions. */
  connectURL: string
  /** Decimal gigabytes without unit; only when fixed. */
  requestedRAM?: string
  requestedCPUCores?: string
  requestedGPUCores: string
  ramInUse?: string
  cpuCoresInUse?: string
  isFixedResources: boolean
  /** Ours, ignored by the published clients: the exit code and cause of an ended session. */
  exitCode?: number
  cause?: { code: string; message: string; hint?: string }
  /** Ours: why it waits. */
  reason?: string
}

/** What the platform has and what of it is in use (wire contract 1.7). */
export interface PlatformStats {
  cores: {
    requestedCPUCores: number
    cpuCoresAvailable: number
    maxCPUCores: { cpuCores: number; withRam: string }
  }
  ram: { requestedRAM: string; ramAvailable: string; maxRAM: { ram: string; withCPUCores: number } }
}

/** What sizes may be asked for (wire contract 1.7). */
export interface PlatformContext {
  cores: { default: number; defaultRequest: number; defaultLimit: number; options: number[] }
  memoryGB: { default: number; defaultRequest: number; defaultLimit: number; options: number[] }
  gpus: { options: number[] }
  maxInteractiveSessions: number
}

/** An image that the platform offers (wire contract 1.7). */
export interface ImageRecord {
  id: string
  types: string[]
  digest: string
}
