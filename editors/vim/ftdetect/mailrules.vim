autocmd BufNewFile,BufRead .mailrules,*.mailrules setfiletype mailrules
