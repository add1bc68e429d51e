/** The ids in all examples of the document. */
export const ids = {
  agent: '123e4567-e89b-12d3-a456-426614174000',
  company: '9b2d4f6a-1c3e-4a5b-8d7f-0e1a2b3c4d5e',
  phoneNumber: '4a7c9e1b-2d5f-4b8a-9c3e-6f1d8b2a5c70',
  webhook: '0d9c7a42-6e1b-4f3a-b5d8-2c4e6f8a1b3d',
  delivery: 'e7b3d5f1-8a2c-4d6e-9f0b-1a3c5e7d9b2f',
  key: 'c5e81f3a-7b2d-4c96-8a1e-3d5f9b7c2e14',
  request: '6f1c2d7e-5b0a-4c55-9d0e-2f3b8a1c4e90',
  firstRequest: 'd3a1b7f0-4c2e-4e59-8b6d-1f7a9c0e5d28',
} as const;

/** An example of a list with one page. */
export const onePage = (...data: object[]) => ({
  data,
  pagination: { total: data.length, page: 1, limit: 20, totalPages: 1, hasNextPage: false, hasPreviousPage: false },
});
