import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)
const repository = fileURLToPath(new URL('../..', import.meta.url))
const git = (...words: string[]) => run('git', ['-C', repository, ...words])

/** An earlier release of the platform in its own git worktree, ready to run. */
export class Release implements AsyncDisposable {
  readonly #folder: string

  private constructor(folder: string) {
    this.#folder = folder
  }

  /** @param commit a name of a commit for git. @throws if the clone lacks the commit. */
  static async checkOut(commit: string): Promise<Release> {
    await git('cat-file', '-e', `${commit}^{commit}`).catch((error: { stderr?: string }) => {
      throw new Error(
        `The release to upgrade from, commit ${commit}, is not in this clone; the upgrade test needs its whole history ` +
          `(git fetch --unshallow): ${error.stderr ?? ''}`,
      )
    })
    const release = new Release(await mkdtemp(join(tmpdir(), 'sp-release-')))
    try {
      await git('worktree', 'add', '--quiet', '--detach', release.checkout, commit)
      await release.#setUp()
    } catch (error) {
      await release[Symbol.asyncDispose]()
      throw error
    }
    return release
  }

  /** The folder with its bin/science-platform. */
  get checkout(): string {
    return join(this.#folder, 'checkout')
  }

  async #setUp(): Promise<void> {
    await mkdir(join(this.checkout, '.node/bin'), { recursive: true })
    await symlink(process.execPath, join(this.checkout, '.node/bin/node'))
    // With the same lock, the release uses the packages of this checkout. Otherwise its own set-up installs them. The links to
    // workspaces are relative, so they lead to the sources of the release.
    await cp(join(repository, 'node_modules'), join(this.checkout, 'node_modules'), {
      recursive: true,
      verbatimSymlinks: true,
    })
    await run(join(this.checkout, 'scripts/setup'), ['serve'], {
      env: { ...process.env, NODE_TEST_CONTEXT: undefined },
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true })
    // Removes worktrees without a folder from git's list.
    await git('worktree', 'prune')
  }
}
