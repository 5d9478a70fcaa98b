export default {
  build: {
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: { output: { codeSplitting: { groups: [{ name: 'preact', test: /node_modules\/preact/ }] } } },
  },
}
