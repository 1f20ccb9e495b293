/** A capability of a VOSI document. */
interface Capability {
  readonly standard: string
  readonly path: string
  readonly use: 'base' | 'full'
  readonly open?: boolean
}

const vosi: readonly Capability[] = [
  { standard: 'ivo://ivoa.net/std/VOSI#capabilities', path: '/capabilities', use: 'full', open: true },
  { standard: 'ivo://ivoa.net/std/VOSI#availability', path: '/availability', use: 'full', open: true },
]

/** Capabilities of `/skaha`. */
export const sessionCapabilities: readonly Capability[] = [
  ...vosi,
  { standard: 'http://www.opencadc.org/std/platform#session-1', path: '/v1/session', use: 'base' },
  { standard: 'http://www.opencadc.org/std/platform#context-1', path: '/v1/context', use: 'base' },
  { standard: 'http://www.opencadc.org/std/platform#image-1', path: '/v1/image', use: 'base' },
  { standard: 'http://www.opencadc.org/std/platform#repository-1', path: '/v1/repository', use: 'base' },
  // Older clients look for this capability and always use v0.
  { standard: 'vos://cadc.nrc.ca~vospace/CADC/std/Proc#sessions-1.0', path: '/v0/session', use: 'base' },
]

/** Capabilities of `/arc`. `storage.ts` explains why they list nodes. */
export const storageCapabilities: readonly Capability[] = [
  ...vosi,
  { standard: 'ivo://ivoa.net/std/VOSpace/v2.0#nodes', path: '/nodes', use: 'base' },
]

/**
 * The capabilities document (VOSI 1.1). Clients send all further requests to the addresses in it: scheme, host and port
 * must be right. Pure. @param base such as `https://batch.example.org/skaha`.
 */
export function capabilitiesDocument(base: string, capabilities: readonly Capability[]): string {
  const entries = capabilities.map(({ standard, path, use, open = false }) =>
    [
      ` <capability standardID="${standard}">`,
      '  <interface xsi:type="vs:ParamHTTP" role="std" version="1.0">',
      `   <accessURL use="${use}">${escaped(base + path)}</accessURL>`,
      ...(open ? [] : ['   <securityMethod standardID="ivo://ivoa.net/sso#token"/>']),
      '  </interface>',
      ' </capability>',
    ].join('\n'),
  )
  return `<?xml version="1.0" encoding="UTF-8"?>
<vosi:capabilities xmlns:vosi="http://www.ivoa.net/xml/VOSICapabilities/v1.0" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:vs="http://www.ivoa.net/xml/VODataService/v1.1">
${entries.join('\n')}
</vosi:capabilities>
`
}

/** The availability document (VOSI 1.1). Pure. @param fault why the service is unavailable; undefined when it is available. */
export const availabilityDocument = (fault: string | undefined): string => `<?xml version="1.0" encoding="UTF-8"?>
<vosi:availability xmlns:vosi="http://www.ivoa.net/xml/VOSIAvailability/v1.0">
 <vosi:available>${fault === undefined}</vosi:available>
 <vosi:note>${escaped(fault ?? 'service is accepting requests')}</vosi:note>
</vosi:availability>
`

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
