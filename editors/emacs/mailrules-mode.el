;;; mailrules-mode.el --- rules of mfilter, mailrules(5)  -*- lexical-binding: t -*-

;; Copy it to a directory of your `load-path', and (require 'mailrules-mode).
;; tests/it/editors.rs compares the words with the program's.

;;; Code:

(defconst mailrules-statements
  '("set" "list" "define" "score" "include" "expect" "expire" "isp-filter" "isp-label"
      "category" "when" "otherwise" "rule" "on"))

(defconst mailrules-actions
  '("inbox" "folder" "copy" "fileinto" "let" "mark" "unmark" "discard"
      "reject" "defer" "add-header" "set-header" "remove-header" "log" "stop"
      "forward" "pipe" "run" "filter" "reply" "add" "remove"))

(defconst mailrules-operators
  '("is" "contains" "starts" "ends" "like" "matches" "resembles" "in" "and"
      "or" "not" "has" "as"))

(defconst mailrules-flags
  '("draft" "flagged" "passed" "replied" "seen" "trashed"))

(defconst mailrules-classifiers
  '("addressed-to-me" "authenticated" "auto-generated" "automatic"
      "backscatter" "bounce" "bulk" "calendar" "daemon" "duplicate" "encrypted" "folder-exists"
      "forged-self" "from-daemon" "from-mailer" "mailing-list"
      "password-protected" "pretender" "s25r" "signed" "spam" "transactional"
      "verified" "virus" "virus-warning"))

(defvar mailrules-font-lock-keywords
  (list (cons (regexp-opt mailrules-statements 'symbols) 'font-lock-keyword-face)
        (cons (regexp-opt mailrules-actions 'symbols) 'font-lock-function-name-face)
        (cons (regexp-opt mailrules-operators 'symbols) 'font-lock-builtin-face)
        (cons (regexp-opt mailrules-flags 'symbols) 'font-lock-constant-face)
        (cons (regexp-opt mailrules-classifiers 'symbols) 'font-lock-type-face)
        '("->" . font-lock-builtin-face)
        '("{[^{}\n]*}" 0 font-lock-variable-name-face prepend)))

(defvar mailrules-mode-syntax-table
  (let ((table (make-syntax-table)))
    (modify-syntax-entry ?# "<" table)
    (modify-syntax-entry ?\n ">" table)
    (modify-syntax-entry ?\" "\"" table)
    (modify-syntax-entry ?- "_" table)
    table))

;;;###autoload
(define-derived-mode mailrules-mode prog-mode "Mailrules"
  "Mode for the rules of mfilter."
  (setq-local comment-start "# ")
  (setq-local font-lock-defaults '(mailrules-font-lock-keywords)))

;;;###autoload
(add-to-list 'auto-mode-alist '("\\.mailrules\\'" . mailrules-mode))

(provide 'mailrules-mode)

;;; mailrules-mode.el ends here
