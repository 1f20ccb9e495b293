import { limits } from '@science-platform/contract/limits'
import { withoutEffect } from './qsub-options.ts'
import { imageVariable } from './request.ts'

/** The programs of PBS that this package has. */
export const pbsPrograms = ['qsub', 'qstat', 'qdel', 'pbsnodes'] as const
export type PbsProgram = (typeof pbsPrograms)[number]

const nothing = Object.entries(withoutEffect).map(([letter, reason]) => `  -${letter.padEnd(17)} ${reason}`)

const texts: Readonly<Record<PbsProgram, readonly string[]>> = {
  qsub: [
    'Usage: qsub [options] [SCRIPT | -- PROGRAM [ARGS...]]',
    '',
    'Submit a script, or stdin, as a job and print its id. Options may also stand',
    'in the script, in lines that begin with #PBS before its first command. The',
    'command line counts where both say something.',
    '',
    'Options:',
    '  -N NAME            name of the job (default: that of the script)',
    '  -o PATH, -e PATH   file for stdout, for stderr (default: canfar logs ID);',
    '                     PBS_JOBID, PBS_JOBNAME and HOME are replaced in it',
    '  -j oe|eo|n         both to the file of -o, both to that of -e, or each alone',
    '  -l nodes=1:ppn=4,mem=8gb,walltime=01:00:00',
    '  -l select=1:ncpus=4:mem=8gb:ngpus=1',
    `                     cores, memory in whole GiB, GPUs and time, up to ${limits.timeSeconds / 86_400} days`,
    '  -l image=IMAGE     image of the job; also -W image=IMAGE, or the variable',
    `                     ${imageVariable}`,
    '  -S PATH            program that runs the script (default: that of its #! line,',
    '                     else /bin/sh)',
    '  -v NAME=VALUE,...  variables of the job; NAME alone has its value from here',
    '  -V                 all variables of yours but those of the machine, such as',
    '                     HOME and LD_LIBRARY_PATH, and your token; of PATH the',
    '                     folders below /arc',
    '  -d PATH            folder in which the job starts (default: the current one)',
    '  -A GROUP           group to charge; also -P GROUP, -W group_list=GROUP',
    '  -q batch           the one queue',
    '  -z                 do not print the id',
    '',
    'Options that change nothing here:',
    ...nothing,
    '  -l place=...       a job runs on one machine',
    '',
    'Any other option is an error.',
    '',
    'Examples:',
    `  export ${imageVariable}=skaha/astroml:24.07`,
    '  qsub -l nodes=1:ppn=2,mem=4gb -o fit.log -j oe fit.sh',
    '  echo "python fit.py" | qsub -N fit -l image=skaha/astroml:24.07',
  ],
  qstat: [
    'Usage: qstat [-f [-1]] [-x] [ID...|batch]',
    '',
    'List the jobs of qsub that have not ended, or ended within the last hour.',
    '',
    'Options:',
    '  -f                 all attributes of each job, a line each',
    '  -1                 no line is broken; none ever is',
    '  -x                 jobs that ended earlier, too',
    '',
    'The exit code is 153 if an id is not known.',
    '',
    'Examples:',
    '  qstat',
    '  qstat -f k3x9a0qz',
  ],
  qdel: [
    'Usage: qdel ID...',
    '',
    'Cancel jobs. A job that has ended stays as it is. The exit code is 153 if an',
    'id is not known.',
    '',
    'Example:',
    '  qdel k3x9a0qz',
  ],
  pbsnodes: [
    'Usage: pbsnodes --version',
    '',
    'Print the version, by which engines know the dialect. canfar queue shows how',
    'full the platform is.',
    '',
    'Example:',
    '  pbsnodes --version',
  ],
}

/** The help of a program. */
export const helpText = (program: PbsProgram): string => texts[program].join('\n')
