require ["fileinto", "imap4flags"];
# rule:[Shop]
if allof (header :contains "subject" "order", not header :contains "from" "friend")
{
	fileinto "INBOX/Shop";
	stop;
}
# rule:[Star]
if header :contains "subject" "sale"
{
	addflag "\\Flagged";
}
