/**
 * Row filters that Druid evaluates, so that rows which are not wanted never cross the network: druid-client's, its most
 * common builders by names of their own. Columns of a filter need not be among those read.
 */
import { filter } from '@millrace/druid-client';

export type { Filter as DruidFilter, FilterValue, MatchValueType, RangeBounds } from '@millrace/druid-client';

export const { equals, isNull, in: isIn, range, like, and, or, not } = filter;
