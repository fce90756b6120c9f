require ["fileinto","imap4flags","copy","reject","relational","comparator-i;ascii-numeric","regex","date","vacation","body","envelope"];
# rule:[Builders]
if anyof (header :contains "List-Id" ["<build.list.example>","<dev.list.example>"], address :domain :is "from" "ci.example")
{
	setflag "\\Seen";
	fileinto "INBOX.Lists.Build";
	stop;
}
# rule:[From the boss]
if allof (address :is "from" "boss@work.example", not header :contains "subject" "newsletter")
{
	addflag "\\Flagged";
	keep;
	stop;
}
# rule:[switched off]
if false # header :contains "subject" "x"
{
	discard;
}
# rule:[Big]
if size :over 2M
{
	fileinto :copy "INBOX.Big";
}
# rule:[Score]
if header :value "ge" :comparator "i;ascii-numeric" "X-Spam-Score" "7"
{
	fileinto "INBOX.Junk";
	stop;
}
# rule:[Stranger]
if envelope :all :matches "from" "*@stranger.example"
{
	reject "We do not
want this.";
	stop;
}
# rule:[Copy to mobile]
if header :regex "subject" "^(re: )?call [0-9]{3}"
{
	redirect :copy "phone@mobile.example";
}
# rule:[Invoices]
if body :text :contains "invoice no."
{
	fileinto "INBOX.Invoices";
}
# rule:[Late]
if allof (currentdate :value "ge" "hour" "22", currentdate :is "weekday" ["0","6"])
{
	redirect "night@work.example";
	stop;
}
