/** The type of an answer in plain text. Without the charset, clients such as Python's requests read it as ISO-8859-1. */
export const plainText = 'text/plain; charset=utf-8'
