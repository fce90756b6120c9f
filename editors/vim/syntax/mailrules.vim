" Vim syntax for the rules of mfilter, mailrules(5).
" Copy syntax/ and ftdetect/ into ~/.vim. tests/it/editors.rs compares the words with
" the program's.
if exists("b:current_syntax")
  finish
endif

syntax case match
setlocal iskeyword+=-
setlocal commentstring=#\ %s

syntax match mailrulesComment /#.*$/ contains=mailrulesTodo,@Spell
syntax keyword mailrulesTodo TODO FIXME todo contained
syntax match mailrulesArrow /->/
syntax match mailrulesNumber /\<\d[0-9.:TZ+-]*[KMGsmhdw]\?\>/
syntax match mailrulesEscape /\\\(["\\nt]\|u{\x\+}\)/ contained
syntax match mailrulesInsert /{[^{}]*}/ contained
syntax region mailrulesString start=/"/ skip=/\\./ end=/"/ oneline contains=mailrulesEscape,mailrulesInsert
syntax region mailrulesString start=/"""/ skip=/\\./ end=/"""/ contains=mailrulesEscape,mailrulesInsert
syntax region mailrulesPattern start=+\%(matches\s\+\|[\[,]\s*\)\@<=/+ skip=+\\.+ end=+/c\?+ oneline

syntax keyword mailrulesStatement set list define score include expect expire isp-filter isp-label category
syntax keyword mailrulesStatement when otherwise rule on
syntax keyword mailrulesAction inbox folder copy fileinto let mark unmark discard reject defer
syntax keyword mailrulesAction add-header set-header remove-header log stop forward pipe run filter
syntax keyword mailrulesAction reply add remove
syntax keyword mailrulesOperator is starts ends like matches resembles in and or not has as
" As a keyword it would be an argument of this command.
syntax match mailrulesOperator /\<contains\>/
syntax keyword mailrulesFlag draft flagged passed replied seen trashed
syntax keyword mailrulesClassifier addressed-to-me authenticated auto-generated automatic backscatter
syntax keyword mailrulesClassifier bounce bulk calendar daemon duplicate encrypted folder-exists forged-self
syntax keyword mailrulesClassifier from-daemon from-mailer mailing-list password-protected pretender s25r
syntax keyword mailrulesClassifier signed spam transactional verified virus virus-warning

highlight default link mailrulesComment Comment
highlight default link mailrulesTodo Todo
highlight default link mailrulesArrow Special
highlight default link mailrulesNumber Number
highlight default link mailrulesEscape SpecialChar
highlight default link mailrulesInsert Identifier
highlight default link mailrulesString String
highlight default link mailrulesPattern String
highlight default link mailrulesStatement Statement
highlight default link mailrulesAction Function
highlight default link mailrulesOperator Operator
highlight default link mailrulesFlag Constant
highlight default link mailrulesClassifier Type

let b:current_syntax = "mailrules"
