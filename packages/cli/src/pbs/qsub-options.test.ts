import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CommandFailure } from '../failure.ts'
import { directivesOf, interpreterOf } from './job-script.ts'
import { qsubOptions, qsubWords, type QsubOptions } from './qsub-options.ts'
import { readResources } from './resources.ts'
import { exportedVariables, namedVariables, sharedFolders } from './variables.ts'

const fromScript = (
  script: string,
  words: readonly string[] = [],
  environment: Record<string, string> = {},
): QsubOptions => qsubOptions(qsubWords(words).options, directivesOf(script, 'job.sh'), environment)

/** The message and the hint of the failure of a call. */
function failureOf(call: () => unknown): string {
  try {
    call()
  } catch (error) {
    if (error instanceof CommandFailure) return `${error.message}\n${error.hint ?? ''}`
    throw error
  }
  throw new Error('nothing failed')
}

test('the header of a task of Nextflow', () => {
  const script = [
    '#!/bin/bash',
    '### ---',
    "### name: 'square (1)'",
    '### ...',
    '#PBS -N nf-square_1',
    '#PBS -o "/arc/projects/my survey/work/1b/.command.log"',
    '#PBS -j oe',
    '#PBS -l nodes=1:ppn=2',
    '#PBS -l walltime=48:30:00',
    '#PBS -l mem=1.5gb',
    '#PBS -W image=skaha/astroml:24.07',
    'NXF_CHDIR=/arc/projects/survey',
    '#PBS -l mem=64gb',
  ].join('\n')
  assert.deepEqual(fromScript(script, ['-N', 'nf-square_(1)']), {
    name: 'nf-square_(1)',
    output: '/arc/projects/my survey/work/1b/.command.log',
    join: 'oe',
    resources: { cores: 2, timeSeconds: 174_600, memoryGb: 2, image: 'skaha/astroml:24.07' },
    exportsAll: false,
    variables: {},
    isQuiet: false,
  })
  assert.deepEqual(interpreterOf(script, undefined), ['/bin/bash'])
})

test('the command line and the script of Toil', () => {
  const words = [
    '-S',
    '/bin/sh',
    '-V',
    '-N',
    'toil_job_4',
    '-v',
    "A='x y',B=1",
    '-l',
    'mem=1464843K,nodes=1:ppn=3',
    'w.sh',
  ]
  const script =
    '#!/bin/sh\n#PBS -o /arc/logs/toil_1.4.${PBS_JOBID}.out.log\n#PBS -e /arc/logs/err\ncd $PBS_O_WORKDIR\n'
  const { options, operands } = qsubWords(words)
  assert.deepEqual(operands, ['w.sh'])
  assert.deepEqual(qsubOptions(options, directivesOf(script, 'w.sh'), {}), {
    name: 'toil_job_4',
    output: '/arc/logs/toil_1.4.${PBS_JOBID}.out.log',
    error: '/arc/logs/err',
    shell: '/bin/sh',
    resources: { memoryGb: 2, cores: 3 },
    exportsAll: true,
    variables: { A: 'x y', B: '1' },
    isQuiet: false,
  })
})

test('the command line counts before the script, each resource and variable by itself', () => {
  const script = '#PBS -l ncpus=2,mem=8gb -v A=1,B=2 -A survey -q batch\n\n# a remark\n#PBS -z\necho\n'
  const found = fromScript(script, ['-lmem=4gb', '-v', 'B=3', '-d/arc/x', '-P', 'night', '-M', 'me@x', '-m', 'abe'])
  assert.deepEqual(found.resources, { cores: 2, memoryGb: 4 })
  assert.deepEqual(found.variables, { A: '1', B: '3' })
  assert.deepEqual([found.group, found.folder, found.isQuiet], ['night', '/arc/x', true])
})

test('resources', () => {
  for (const [list, expected] of [
    ['select=1:ncpus=4:mem=4000mb:ngpus=1:mpiprocs=4', { cores: 4, memoryGb: 4, gpus: 1 }],
    ['nodes=1', {}],
    ['mem=1gb,place=scatter', { memoryGb: 1 }],
    ['mem=1073741825', { memoryGb: 2 }],
    ['mem=134217728w', { memoryGb: 1 }],
    ['mem=1t,walltime=90', undefined],
    ['walltime=90', { timeSeconds: 90 }],
    ['walltime=1:30', { timeSeconds: 90 }],
    ['walltime=1:00:00:01', { timeSeconds: 86_401 }],
    ['image=registry.org:5000/a/b:1,ncpus=1', { image: 'registry.org:5000/a/b:1', cores: 1 }],
  ] as const)
    if (expected === undefined)
      assert.match(
        failureOf(() => readResources(list)),
        /mem is '1t'\nuse a size up to 512gb/,
      )
    else assert.deepEqual(readResources(list), expected, list)
})

test('what is not known is refused by name, with what was given and what would do', () => {
  for (const [words, expected] of [
    [['-t', '1-9'], /^-t is '1-9': arrays are not supported\n.*leave the directive array out/],
    [['-W', 'depend=afterok:a1'], /^-W is 'depend=afterok:a1': jobs cannot wait for jobs\n/],
    [['-W', 'umask=2'], /^-W is 'umask=2': the attribute is not known here\nknown are -W image=/],
    [['-q', 'long'], /^-q is 'long': this platform has one queue\n.*-q batch/],
    [['-l', 'nodes=2:ppn=4'], /^-l nodes=2:ppn=4: a job runs on one machine\nuse nodes=1/],
    [['-l', 'nodes=1:bigmem'], /'bigmem' is not known here/],
    [['-l', 'vmem=4gb'], /the resource vmem is not known here\nuse mem=4gb/],
    [['-l', 'constructor=1'], /the resource constructor is not known here/],
    [['-l', 'ncpus=many'], /^-l: ncpus is 'many'\nuse a whole number from 1 to 256/],
    [['-l', 'walltime=1h'], /^-l: walltime is '1h'\nuse walltime=HH:MM:SS/],
    [['-l', 'mem=0'], /^-l: mem is '0'/],
    [['-j', 'both'], /^-j is 'both'\nuse -j oe/],
    [['-o', '/arc/$USER/x'], /^-o is '\/arc\/\$USER\/x'\nof variables only PBS_JOBID/],
    [['-v', 'BAND'], /^-v names BAND, which is not set\nexport BAND/],
    [['-v', 'A B=1'], /'A B', which is no name/],
    [['-v', "A='x"], /-v has a ' without its pair/],
    [['-I'], /^-I: interactive jobs are not supported/],
    [['-K'], /^there is no option -K, in '-K'\nsee qsub --help/],
    [['-N'], /^-N has no value/],
    [['-N', ' '], /^-N is empty/],
  ] as const)
    assert.match(
      failureOf(() => fromScript('', words)),
      expected,
      words.join(' '),
    )
  assert.match(
    failureOf(() => fromScript('#!/bin/sh\n#PBS -Q 1\n')),
    /^line 2 of job.sh: there is no option -Q/,
  )
  assert.match(
    failureOf(() => fromScript('#PBS -N a b\n')),
    /^line 1 of job.sh: 'b' belongs to no option/,
  )
  assert.match(
    failureOf(() => fromScript("#PBS -N 'a\n")),
    /^line 1 of job.sh: /,
  )
})

test('variables', () => {
  assert.deepEqual(namedVariables(`A=1,B,C="x,y",D='p\\q',E=a\\,b,`, { B: 'b' }), {
    A: '1',
    B: 'b',
    C: 'x,y',
    D: 'p\\q',
    E: 'a,b',
  })
  const mine = {
    CANFAR_TOKEN: 't',
    PATH: '/usr/bin:/arc/env/bin:/arcade',
    LD_PRELOAD: 'x',
    'BASH_FUNC_a%%': '()',
    BAND: '',
  }
  assert.deepEqual(exportedVariables(mine), { BAND: '' })
  assert.deepEqual(sharedFolders(mine), ['/arc/env/bin'])
})

test('the program of a script', () => {
  assert.deepEqual(interpreterOf('echo', undefined), ['/bin/sh'])
  assert.deepEqual(interpreterOf('#!/usr/bin/env python3\n', undefined), ['/usr/bin/env', 'python3'])
  assert.deepEqual(interpreterOf('#! /bin/sh -e -u \nx', undefined), ['/bin/sh', '-e -u'])
  assert.deepEqual(interpreterOf('#!/bin/bash\r\necho', undefined), ['/bin/bash'])
  assert.deepEqual(interpreterOf('#!/bin/bash\n', '/bin/dash'), ['/bin/dash'])
})
