const defaultRegistry = 'images.canfar.net'

/**
 * An image as the servers want it: `project/name` gets the registry (wire contract 3.4), a missing tag becomes `latest`.
 * A first part with a dot or colon, or `localhost`, is a registry already. One bare name is left to the server to refuse.
 */
export function fullImageReference(image: string, registry: string = defaultRegistry): string {
  const parts = image.split('/')
  const first = parts[0] ?? ''
  const hasRegistry = parts.length > 1 && (first === 'localhost' || /[.:]/.test(first))
  const located = parts.length === 2 && !hasRegistry ? `${registry}/${image}` : image
  return (parts.at(-1) ?? '').includes(':') ? located : `${located}:latest`
}
