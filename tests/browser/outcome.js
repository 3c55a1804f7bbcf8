// What came of the cells of a notebook that open.js opened, once all have run.
const [path, done] = arguments;
const {panel, finished} = window.runs[path];
finished.then(() => {
  jupyterapp.shell.activateById(panel.id);
  const cells = panel.content.widgets.map(cell => cell.model).filter(model => model.type === 'code');
  const outputs = cells.flatMap(model => model.outputs.toJSON());
  done({
    left: cells.filter(model => model.executionCount === null && model.sharedModel.source.trim()).length,
    errors: outputs.filter(output => output.output_type === 'error').map(output => output.evalue),
  });
}, error => done({left: -1, errors: [String(error)]}));
