/** Labels, annotations and names of the objects that belong to an attempt. */

/** The label with which a platform finds its own objects. */
export const instanceLabel = 'canfar.net/instance'
/** The label that tells the attempt. */
export const attemptLabel = 'canfar.net/attempt'
/** The image as its user wrote it, for messages. */
export const imageAnnotation = 'canfar.net/image'
/** Set when the platform asked the attempt to end; tells the grace period in seconds. */
export const stopAnnotation = 'canfar.net/stop'
/** Set when the platform gave the attempt up before its command was started; the cause as JSON. */
export const causeAnnotation = 'canfar.net/cause'
/** Keeps Jobs and pods, whoever deletes them, until the platform has learnt how they ended. */
export const finalizer = 'canfar.net/ending'
/** Keeps a pod off the nodes until the platform lets it go: only the first pod of an attempt. */
export const startGate = 'canfar.net/start'
/** Name of the container that runs the command. */
export const containerName = 'job'

/** Name of an attempt's Job, and of the Secret that it may have. */
export const objectName = (instance: string, attemptId: string): string => `${instance}-${attemptId}`.toLowerCase()

/** Selects a platform's own objects. */
export const ownSelector = (instance: string): string => `${instanceLabel}=${instance}`
