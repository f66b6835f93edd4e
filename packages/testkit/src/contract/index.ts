export {
  describeDruidContract,
  type ContractOptions,
  type DruidUnderTest,
} from './describe-druid-contract.js';
