/** The longest time limit of a job, in seconds (`limits.timeSeconds` of the contract, which the planner does not import). */
export const longestTimeSeconds = 2_592_000
