import { usageFailure } from '../failure.ts'

/** The environment of a process, like `process.env`. */
type Environment = Readonly<Record<string, string | undefined>>

/**
 * Variables that `-V` leaves out. They describe the machine of the caller (its programs, libraries, folders, terminal and session), or
 * are set by the platform, or hold its token.
 */
const ofTheMachine =
  /^(PATH|MANPATH|INFOPATH|LD_.*|HOME|USER|LOGNAME|MAIL|SHELL|PWD|OLDPWD|SHLVL|_|TMPDIR|TMP|TEMP|HOSTNAME|HOST|TERM|TERMCAP|COLUMNS|LINES|DISPLAY|XAUTHORITY|XDG_.*|DBUS_.*|SSH_.*|TMUX.*|STY|NODE_COMPILE_CACHE|JAVA_HOME|JAVA_CMD|LS_COLORS|CANFAR_.*|skaha_.*|PBS_.*)$/

/** The variables that `-V` exports. */
export const exportedVariables = (environment: Environment): Record<string, string> =>
  Object.fromEntries(
    Object.entries(environment).filter(
      (entry): entry is [string, string] =>
        entry[1] !== undefined && /^[A-Za-z_][A-Za-z0-9_]*$/.test(entry[0]) && !ofTheMachine.test(entry[0]),
    ),
  )

/** The folders in the PATH of the caller that jobs see too: `-V` puts them before the PATH of the image. */
export const sharedFolders = ({ PATH = '' }: Environment): string[] =>
  PATH.split(':').filter((folder) => folder.startsWith('/arc/'))

/**
 * The variables of a `-v`, such as `BAND=r,FIELDS='a,b',TERM`: separated by commas outside of quotes. A name alone has its value from the
 * environment. @throws {CommandFailure} where it has none
 */
export function namedVariables(list: string, environment: Environment, where = ''): Record<string, string> {
  const variables: Record<string, string> = {}
  for (const item of itemsOf(list, where)) {
    const at = item.indexOf('=')
    const name = at === -1 ? item : item.slice(0, at)
    const value = at === -1 ? environment[name] : item.slice(at + 1)
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
      throw usageFailure(`${where}-v names '${name}', which is no name of a variable`, 'write -v BAND=r,NIGHT=17')
    if (value === undefined)
      throw usageFailure(`${where}-v names ${name}, which is not set`, `export ${name}, or write -v ${name}=VALUE`)
    variables[name] = value
  }
  return variables
}

/** The items of a list. Quotes and backslashes protect commas, and are removed. */
function itemsOf(list: string, where: string): string[] {
  const items: string[] = []
  let [item, quote] = ['', '']
  for (let at = 0; at < list.length; at += 1) {
    const character = list.charAt(at)
    if (character === '\\' && quote !== "'" && at + 1 < list.length) item += list.charAt((at += 1))
    else if (quote !== '') {
      if (character === quote) quote = ''
      else item += character
    } else if (character === "'" || character === '"') quote = character
    else if (character === ',') {
      items.push(item)
      item = ''
    } else item += character
  }
  if (quote !== '') throw usageFailure(`${where}-v has a ${quote} without its pair`, "write -v FIELDS='a,b'")
  return [...items, item].map((each) => each.trimStart()).filter((each) => each !== '')
}
