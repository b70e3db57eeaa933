/** An error that a person can correct. It is shown as one line, without a stack trace. */
export class StackError extends Error {
  /** @param {string} message */
  constructor(message) {
    super(message.replaceAll(/\s*\n\s*/g, " "));
    this.name = "StackError";
  }
}
