import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const version = '24.10.5'
const cache = fileURLToPath(new URL('../../.cache', import.meta.url))

/** Packages that Nextflow opens to itself, as its launcher does: without them nothing is cached for -resume. */
const opened =
  'java.lang java.io java.nio java.net java.util java.util.concurrent.locks java.util.concurrent.atomic java.util.regex'

/** The command line of Nextflow, without its arguments, as a shell line. */
export const nextflowLine = (jars: string): string =>
  [
    'java',
    ...opened.split(' ').map((name) => `--add-opens=java.base/${name}=ALL-UNNAMED`),
    '-cp',
    `'${jars}/*'`,
    'nextflow.cli.Launcher',
  ].join(' ')

/**
 * The folder with the jars of Nextflow and its dependencies, from Maven Central. It is made once, in half a minute, and kept in
 * .cache/. Needs `mvn`. nf-httpfs, for files at web addresses, is not on Maven Central.
 */
export async function nextflowJars(): Promise<string> {
  const jars = join(cache, `nextflow-${version}`)
  await mkdir(cache, { recursive: true })
  if ((await readdir(cache)).includes(`nextflow-${version}`)) return jars
  const work = await mkdtemp(join(cache, 'nextflow.'))
  try {
    const excluded = '<exclusion><groupId>io.nextflow</groupId><artifactId>nf-httpfs</artifactId></exclusion>'
    const nextflow = `<groupId>io.nextflow</groupId><artifactId>nextflow</artifactId><version>${version}</version>`
    await writeFile(
      join(work, 'pom.xml'),
      '<project><modelVersion>4.0.0</modelVersion><groupId>test</groupId><artifactId>test</artifactId><version>1</version>' +
        `<dependencies><dependency>${nextflow}<exclusions>${excluded}</exclusions></dependency></dependencies></project>`,
    )
    const words = ['-q', '-B', '-f', join(work, 'pom.xml'), 'dependency:copy-dependencies', '-DoutputDirectory=jars']
    await promisify(execFile)('mvn', words, { cwd: work })
    // Another test may have been sooner.
    await rename(join(work, 'jars'), jars).catch(() => undefined)
  } finally {
    await rm(work, { recursive: true })
  }
  return jars
}
