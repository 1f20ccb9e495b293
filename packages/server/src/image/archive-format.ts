import { runTool } from '../tool.ts'

/** Which of the two forms of image archive a list of its members shows: what `docker save` writes now is both, and OCI counts. Pure. */
export function archiveFormat(members: readonly string[]): 'oci-archive' | 'docker-archive' | undefined {
  const names = new Set(members.map((name) => name.replace(/^\.\//, '')))
  if (names.has('oci-layout') && names.has('index.json')) return 'oci-archive'
  return names.has('manifest.json') ? 'docker-archive' : undefined
}

/** Lists the members of a tar archive, compressed or not. @throws ToolError when it is none. */
export async function archiveMembers(archive: string, signal: AbortSignal): Promise<readonly string[]> {
  return (await runTool('tar', ['--list', '--file', archive], { signal })).toString().split('\n').filter(Boolean)
}
