/** A flight as it arrives: nothing about it can be relied on before it was validated. */
export interface RawFlight {
  /** Its row in the file, from 0. */
  readonly row: number;
  /** When the plane had left or arrived, in epoch milliseconds: the moment of the replay at which the record comes in. */
  readonly arrivedAt: number;
  /** The flight's scheduled time, in epoch milliseconds: its event time. */
  readonly date: number | null;
  /** In minutes; negative when early. */
  readonly delay: number | string | null;
  /** In miles. */
  readonly distance: number | null;
  readonly origin: string | null;
  readonly destination: string | null;
}

/** A flight that was validated. Units as in {@link RawFlight}. */
export interface Flight {
  readonly date: number;
  readonly delay: number;
  readonly distance: number;
  readonly origin: string;
  readonly destination: string;
}

/** A delay of more minutes than this counts as late; a flight that is not late is on time. */
export const LATE_AFTER_MINUTES = 15;
