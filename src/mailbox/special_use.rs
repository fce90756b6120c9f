//! Which folders are the trash, the junk, the drafts and the sent mail: as the rules say
//! (`set trash`), otherwise as the server says, otherwise by the names that mail readers
//! give them.
//!
//! RFC 6154 defines the uses. Of the servers with Maildirs only Dovecot knows them, from
//! its configuration (`dovecot_conf`): no client can set them, and nothing in a Maildir
//! shows them.

use crate::maildir::{Location, Place};
use crate::message::fold::fold;
use crate::plan::Folder;
use crate::rules::program::{Layout, Settings};

use super::dovecot_conf;

/// What a folder is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FolderUse {
    /// Deleted mail, `\Trash`.
    Trash,
    /// Spam, `\Junk`.
    Junk,
    /// Mail that is not sent yet, `\Drafts`.
    Drafts,
    /// Sent mail, `\Sent`.
    Sent,
}

/// Mailboxes that contain all others of an account.
const ABOVE: [&str; 3] = ["inbox", "[gmail]", "[google mail]"];

/// The names of readers and servers in their languages, folded; in this order: Apple,
/// Outlook, Thunderbird, Gmail, Courier and webmailers.
#[rustfmt::skip]
const NAMES: &[(FolderUse, &[&str])] = &[
    (FolderUse::Trash, &[
        "trash", "deleted", "deleted items", "deleted messages", "deleted mail", "bin", "trash can",
        "ごみ箱", "ゴミ箱", "削除済みアイテム", "削除済みメッセージ", "削除済みメール", "削除済み",
        "papierkorb", "gelöschte elemente", "gelöschte objekte", "gelöscht", "gelöschte nachrichten",
        "corbeille", "éléments supprimés", "messages supprimés", "supprimés",
        "papelera", "papelera de reciclaje", "elementos eliminados", "mensajes eliminados", "eliminados",
        "cestino", "posta eliminata", "elementi eliminati", "messaggi eliminati",
        "lixeira", "lixo", "itens excluídos", "mensagens apagadas", "itens eliminados", "reciclagem",
        "prullenbak", "verwijderde items", "verwijderde berichten", "verwijderd",
        "корзина", "удаленные", "удалённые", "удаленные элементы", "удалённые элементы", "кошик", "видалені",
        "kosz", "elementy usunięte", "usunięte",
        "koš", "odstraněná pošta", "odstraněné zprávy", "odpadky", "kôš",
        "papperskorgen", "papperskorg", "borttaget", "borttagna objekt",
        "papirkurv", "papirkurven", "slettet post", "slettede elementer", "slettede meldinger",
        "roskakori", "poistetut", "poistetut viestit",
        "çöp", "çöp kutusu", "silinmiş öğeler", "silinmiş",
        "lomtár", "kuka", "törölt elemek", "coș de gunoi", "gunoi", "elemente șterse",
        "κάδοσ", "κάδοσ απορριμμάτων", "διαγραμμένα", "кошче",
        "已删除", "已删除邮件", "已删除邮件夹", "废纸篓", "已刪除的郵件", "垃圾桶", "刪除的郵件", "回收桶",
        "휴지통", "지운 편지함", "지운 항목", "삭제된 메시지",
        "thùng rác", "ถังขยะ", "สิ่งที่ลบ", "سلة المهملات", "العناصر المحذوفة", "אשפה", "פריטים שנמחקו",
    ]),
    (FolderUse::Junk, &[
        "junk", "junk mail", "junk email", "junk e-mail", "spam", "bulk mail", "bulk",
        "迷惑メール", "スパム", "スパムメール",
        "spamverdacht", "junk-e-mail", "werbung", "unerwünscht",
        "indésirables", "courrier indésirable", "pourriel", "spams",
        "correo no deseado", "no deseado", "posta indesiderata", "indesiderata",
        "lixo eletrônico", "lixo eletrónico", "correio eletrónico de lixo",
        "ongewenste e-mail", "ongewenst", "спам", "нежелательная почта",
        "wiadomości-śmieci", "nevyžádaná pošta", "nevyžádaná", "skräppost", "skräp",
        "uønsket e-mail", "uønsket", "søppelpost", "roskaposti", "istenmeyen", "gereksiz e-posta", "önemsiz e-posta",
        "levélszemét", "ανεπιθύμητα", "ανεπιθύμητη αλληλογραφία",
        "垃圾邮件", "垃圾箱", "垃圾郵件", "스팸", "스팸메일함", "정크 메일", "thư rác", "จดหมายขยะ", "البريد العشوائي",
    ]),
    (FolderUse::Drafts, &[
        "drafts", "draft", "下書き", "entwürfe", "entwurf", "brouillons", "brouillon", "borradores", "bozze",
        "rascunhos", "concepten", "черновики", "чернетки", "kopie robocze", "szkice", "wersje robocze",
        "koncepty", "rozepsané", "rozpracované", "utkast", "kladder", "luonnokset", "taslaklar", "piszkozatok", "ciorne",
        "πρόχειρα", "草稿", "草稿箱", "草稿匣", "임시보관함", "임시 보관함", "thư nháp", "แบบร่าง", "טיוטות", "المسودات",
    ]),
    (FolderUse::Sent, &[
        "sent", "sent mail", "sent items", "sent messages", "sent-mail", "outbox",
        "送信済み", "送信済みメール", "送信済みアイテム", "送信済みメッセージ", "送信箱",
        "gesendet", "gesendete elemente", "gesendete objekte", "gesendete nachrichten",
        "envoyés", "messages envoyés", "éléments envoyés", "enviados", "elementos enviados", "mensajes enviados",
        "inviati", "posta inviata", "inviata", "itens enviados", "mensagens enviadas", "verzonden", "verzonden items", "verzonden berichten",
        "отправленные", "надіслані", "wysłane", "elementy wysłane", "odeslané", "odeslaná pošta", "odoslané",
        "skickat", "skickade", "sendt", "sendte elementer", "lähetetyt", "gönderilmiş", "gönderilmiş öğeler", "elküldött", "elküldött elemek", "trimise",
        "απεσταλμένα", "已发送", "已发送邮件", "寄件備份", "已傳送", "보낸편지함", "보낸 편지함", "đã gửi", "thư đã gửi", "ส่งแล้ว", "รายการที่ส่ง", "البريد المرسل", "דואר יוצא",
    ]),
];

/// What the folders of a Maildir are for.
pub struct SpecialFolders<'a> {
    location: &'a Location,
    /// Set by the rules; then no other folder has that use.
    set: Vec<(FolderUse, Place)>,
    /// Set by Dovecot's configuration, folded.
    by_server: Vec<(Vec<String>, FolderUse)>,
}

impl<'a> SpecialFolders<'a> {
    /// The uses according to the rules and the server.
    pub fn of(location: &'a Location, settings: &Settings) -> SpecialFolders<'a> {
        let folders = [
            (FolderUse::Trash, &settings.trash),
            (FolderUse::Junk, &settings.junk),
            (FolderUse::Drafts, &settings.drafts),
        ];
        let set = folders.into_iter().filter_map(|(purpose, folder)| {
            Some((purpose, location.own_place(&Folder::named(folder.as_ref()?.as_str()))?))
        });
        SpecialFolders::with(location, set.collect(), &dovecot_conf::special_uses())
    }

    fn with(
        location: &'a Location,
        set: Vec<(FolderUse, Place)>,
        configured: &[(String, String)],
    ) -> SpecialFolders<'a> {
        let levels: &[char] = match location.layout {
            Layout::MaildirPlusPlus => &['/', '.'],
            Layout::Fs => &['/'],
        };
        let by_server = configured.iter().filter_map(|(name, uses)| {
            let parts = name.split(levels).map(|part| fold(part).into_owned()).collect();
            Some((parts, uses.split([' ', '\\']).find_map(use_of_word)?))
        });
        SpecialFolders { location, set, by_server: by_server.collect() }
    }

    /// What a folder is for; one below the trash is trash, too.
    pub fn use_of(&self, place: &Place) -> Option<FolderUse> {
        let folder = self.location.folder_of(place);
        for (purpose, known) in &self.set {
            let above = self.location.folder_of(known);
            if !above.parts.is_empty() && folder.parts.starts_with(&above.parts) {
                return Some(*purpose);
            }
        }
        let found = self.of_server(&folder.parts).or_else(|| by_name(&folder.parts))?;
        // Not if the rules give that use to another folder.
        (!self.set.iter().any(|(purpose, _)| *purpose == found)).then_some(found)
    }

    /// Whether a folder is the trash, or is below it.
    pub fn is_trash(&self, place: &Place) -> bool {
        self.use_of(place) == Some(FolderUse::Trash)
    }

    /// The use in Dovecot's configuration; a folder below the trash is trash, too.
    fn of_server(&self, parts: &[String]) -> Option<FolderUse> {
        let parts: Vec<String> = parts.iter().map(|part| fold(part).into_owned()).collect();
        let above = |(known, _): &&(Vec<String>, FolderUse)| parts.starts_with(known);
        self.by_server.iter().find(above).map(|(_, purpose)| *purpose)
    }
}

/// A use as in RFC 6154 §2, without its backslash.
fn use_of_word(word: &str) -> Option<FolderUse> {
    let words = [
        ("trash", FolderUse::Trash),
        ("junk", FolderUse::Junk),
        ("drafts", FolderUse::Drafts),
        ("sent", FolderUse::Sent),
    ];
    words.iter().find(|(known, _)| word.eq_ignore_ascii_case(known)).map(|(_, purpose)| *purpose)
}

/// The use by the name of the topmost folder, below the one that contains the whole
/// account.
fn by_name(parts: &[String]) -> Option<FolderUse> {
    let mut parts = parts.iter().map(|part| fold(part.trim()).into_owned());
    let mut first = parts.next()?;
    if ABOVE.contains(&first.as_str()) {
        first = parts.next()?;
    }
    NAMES.iter().find(|(_, names)| names.contains(&first.as_str())).map(|(purpose, _)| *purpose)
}

#[cfg(test)]
mod tests {
    use crate::plan::Folder;
    use crate::rules::compiled::CompiledProgram;
    use crate::rules::program::Program;

    use super::*;

    fn compiled(change: impl FnOnce(&mut Program)) -> CompiledProgram {
        let mut program = Program::default();
        change(&mut program);
        CompiledProgram::new(program)
    }

    fn place(location: &Location, name: &str) -> Place {
        location.place(&Folder::named(name))
    }

    #[test]
    fn folders_are_known_by_the_names_of_readers() {
        let home = tempfile::tempdir().unwrap();
        let compiled = compiled(|_| {});
        let program = &compiled;
        for layout in [Layout::MaildirPlusPlus, Layout::Fs] {
            let location = Location::new(home.path(), layout, None);
            let special = SpecialFolders::of(&location, &program.settings);
            for (name, purpose) in [
                ("Trash", Some(FolderUse::Trash)),
                ("trash/2025/May", Some(FolderUse::Trash)),
                ("Deleted Items", Some(FolderUse::Trash)),
                ("[Gmail]/Trash", Some(FolderUse::Trash)),
                ("ゴミ箱", Some(FolderUse::Trash)),
                ("ごみ箱", Some(FolderUse::Trash)),
                ("Gelöschte Elemente", Some(FolderUse::Trash)),
                ("Корзина", Some(FolderUse::Trash)),
                ("ÉLÉMENTS SUPPRIMÉS", Some(FolderUse::Trash)),
                ("迷惑メール", Some(FolderUse::Junk)),
                ("Junk E-mail", Some(FolderUse::Junk)),
                ("下書き", Some(FolderUse::Drafts)),
                ("Sent Items", Some(FolderUse::Sent)),
                ("INBOX", None),
                ("Trash talk", None),
                ("Work/Trash", None),
                ("Archive", None),
            ] {
                assert_eq!(special.use_of(&place(&location, name)), purpose, "{name}");
            }
        }
    }

    #[test]
    fn the_rules_and_the_server_know_better_than_names() {
        let home = tempfile::tempdir().unwrap();
        let location = Location::new(home.path(), Layout::MaildirPlusPlus, None);
        let configured = [("Away", "\\Archive \\Trash"), ("Ältere.Mail", "\\Junk"), ("x", "\\All")]
            .map(|(name, uses)| (name.to_owned(), uses.to_owned()));
        let special = SpecialFolders::with(&location, Vec::new(), &configured);
        assert!(special.is_trash(&place(&location, "Away")));
        assert!(special.is_trash(&place(&location, "Away/2025")));
        assert!(special.is_trash(&place(&location, "Trash")));
        assert!(!special.is_trash(&place(&location, "Other")));
        assert_eq!(special.use_of(&place(&location, "ältere/mail")), Some(FolderUse::Junk));
        assert_eq!(special.use_of(&place(&location, "x")), None);

        let set = compiled(|program| program.settings.trash = Some("Old/Gone".into()));
        let special = SpecialFolders::of(&location, &set.settings);
        let trash = ["Old/Gone", "Old/Gone/x", "Trash", "Away", "Old"]
            .map(|name| special.is_trash(&place(&location, name)));
        assert_eq!(trash, [true, true, false, false, false]);
    }

    #[test]
    fn every_name_is_folded_and_for_one_thing() {
        let all: Vec<&str> = NAMES.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        for name in &all {
            assert_eq!(fold(name), *name);
            assert_eq!(all.iter().filter(|other| *other == name).count(), 1, "{name}");
        }
    }
}
