/** The account that a job runs as. Its POSIX ids decide what the job may read and write under `/arc`. */
export interface Account {
  readonly name: string
  readonly uid: number
  readonly gid: number
  /** Supplementary groups, by name, so that `id` inside the container can name them. */
  readonly groups: readonly { readonly name: string; readonly gid: number }[]
}
