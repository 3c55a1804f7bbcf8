// Open a notebook in JupyterLab and begin to run all of its cells.
const [path, done] = arguments;
(async () => {
  await jupyterapp.restored;
  const panel = await jupyterapp.commands.execute('docmanager:open', {path});
  await panel.context.ready;
  await panel.sessionContext.ready;
  jupyterapp.shell.activateById(panel.id);
  window.runs = window.runs || {};
  window.runs[path] = {panel, finished: jupyterapp.commands.execute('notebook:run-all-cells')};
})().then(() => done(''), error => done(String(error)));
