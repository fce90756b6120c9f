// Starts `mfilter lsp` for files of rules; all else is its work.

const { commands, window, workspace } = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

let client;

exports.activate = async function () {
  const command = workspace.getConfiguration("mailrules").get("program");
  client = new LanguageClient(
    "mailrules",
    "mfilter",
    { command, args: ["lsp"] },
    { documentSelector: [{ language: "mailrules" }] }
  );
  // What the client itself says does not name the program.
  const error = client.error;
  client.error = (message, data, show) => error.call(client, message, data, show && client.isRunning());
  try {
    await client.start();
  } catch {
    client = undefined;
    const settings = "Open Settings";
    const chosen = await window.showErrorMessage(
      `Cannot start ${command}. Install mfilter, or set mailrules.program to its path, then ` +
        "reload the window.",
      settings
    );
    if (chosen === settings) {
      commands.executeCommand("workbench.action.openSettings", "mailrules.program");
    }
  }
};

exports.deactivate = function () {
  return client && client.stop();
};
