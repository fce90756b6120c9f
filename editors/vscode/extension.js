// Starts `mfilter lsp` for files of rules; all else is its work.

const { workspace } = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

let client;

exports.activate = function () {
  const command = workspace.getConfiguration("mailrules").get("program");
  client = new LanguageClient(
    "mailrules",
    "mfilter",
    { command, args: ["lsp"] },
    { documentSelector: [{ language: "mailrules" }] }
  );
  return client.start();
};

exports.deactivate = function () {
  return client && client.stop();
};
