//! The contents of an archive, as far as they can be read without unpacking: the
//! names in ZIP, RAR, 7z and TNEF files, and whether a password is needed.
//! Damaged archives are read as far as they make sense, in time linear in the
//! bytes.

use memchr::memmem;

use super::charset;
use super::file_name::clean_name;

/// How many names of one archive are read.
pub const NAMES_LIMIT: usize = 1000;

/// The longest name, bytes; anything longer is not a name.
const LONGEST_NAME: usize = 4096;

/// What an archive tells about its contents.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Archive {
    /// The names of its members, with their folders, cleaned; adjacent duplicates
    /// only once.
    pub names: Vec<String>,
    /// Some of it cannot be read without a password.
    pub is_locked: bool,
}

impl Archive {
    fn add(&mut self, name: &str) -> bool {
        let name = clean_name(&name.replace('\\', "/"));
        if !name.is_empty() && self.names.last() != Some(&name) {
            self.names.push(name);
        }
        self.names.len() < NAMES_LIMIT
    }

    fn add_bytes(&mut self, name: &[u8]) -> bool {
        name.len() > LONGEST_NAME || self.add(&charset::packed_name(name))
    }
}

/// Whether a file with this beginning is one of these archives.
pub fn is_archive(opening: &[u8]) -> bool {
    opening.starts_with(b"PK")
        || opening.starts_with(RAR)
        || opening.starts_with(SEVEN_ZIP)
        || opening.starts_with(TNEF)
}

const RAR: &[u8] = b"Rar!\x1a\x07";
const SEVEN_ZIP: &[u8] = b"7z\xbc\xaf\x27\x1c";
const TNEF: &[u8] = b"\x78\x9f\x3e\x22";

/// Reads an archive; `bytes` may be only its beginning.
pub fn read(bytes: &[u8]) -> Archive {
    let mut archive = Archive::default();
    let found = match bytes {
        _ if bytes.starts_with(b"PK") => zip(bytes, &mut archive),
        _ if bytes.starts_with(b"Rar!\x1a\x07\x01\0") => rar5(bytes, &mut archive),
        _ if bytes.starts_with(RAR) => rar4(bytes, &mut archive),
        _ if bytes.starts_with(SEVEN_ZIP) => seven_zip(bytes, &mut archive),
        _ if bytes.starts_with(TNEF) => tnef(bytes, &mut archive),
        // Programs accept a ZIP file with something before it.
        _ => zip(bytes, &mut archive),
    };
    // `None` if the archive ended too early or has too many names.
    let _ = found;
    archive
}

fn u16_at(bytes: &[u8], at: usize) -> Option<usize> {
    let found = bytes.get(at..)?.first_chunk::<2>()?;
    Some(usize::from(u16::from_le_bytes(*found)))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<usize> {
    let found = bytes.get(at..)?.first_chunk::<4>()?;
    usize::try_from(u32::from_le_bytes(*found)).ok()
}

fn u64_at(bytes: &[u8], at: usize) -> Option<usize> {
    let found = bytes.get(at..)?.first_chunk::<8>()?;
    usize::try_from(u64::from_le_bytes(*found)).ok()
}

/// APPNOTE.TXT §4.3.7 (local headers) and §4.3.12 (the directory at the end,
/// which programs use; either may contain names that the other does not).
fn zip(bytes: &[u8], archive: &mut Archive) -> Option<()> {
    // Each name is in both.
    let mut left = 2 * NAMES_LIMIT;
    for at in memmem::find_iter(bytes, b"PK") {
        let header = &bytes[at..];
        let (flags, length, start) = match header.get(2..4)? {
            b"\x03\x04" => (6, 26, 30),
            b"\x01\x02" => (8, 28, 46),
            _ => continue,
        };
        let (Some(flags), Some(length)) = (u16_at(header, flags), u16_at(header, length)) else {
            continue;
        };
        // Packed data may look like a header.
        let Some(name) = header.get(start..start + length).filter(|name| is_name(name)) else {
            continue;
        };
        archive.is_locked |= flags & 1 != 0;
        left -= 1;
        if left == 0 {
            break;
        }
        let known = archive.names.len();
        if !archive.add_bytes(name) {
            break;
        }
        // The directory repeats most names.
        let last = archive.names.last();
        if archive.names.len() > known
            && start == 46
            && archive.names[..known].iter().any(|name| Some(name) == last)
        {
            archive.names.pop();
        }
    }
    Some(())
}

fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && !name.iter().any(|byte| *byte < b' ')
}

/// The technical note that came with RAR 4: blocks of checksum, type, flags, size.
fn rar4(bytes: &[u8], archive: &mut Archive) -> Option<()> {
    let mut at: usize = 7;
    loop {
        let block = bytes.get(at..)?;
        let (kind, flags, size) = (*block.get(2)?, u16_at(block, 3)?, u16_at(block, 5)?);
        let mut data = 0;
        match kind {
            // The header of the archive: everything after it is encrypted.
            0x73 if flags & 0x80 != 0 => {
                archive.is_locked = true;
                return None;
            }
            0x74 => {
                archive.is_locked |= flags & 0x04 != 0;
                data = u32_at(block, 7)?;
                let start = if flags & 0x100 != 0 { 40 } else { 32 };
                let name = block.get(start..start + u16_at(block, 26)?)?;
                // A second, packed name follows after a NUL.
                let name = name.split(|byte| *byte == 0).next()?;
                if !archive.add_bytes(name) {
                    return None;
                }
            }
            _ if flags & 0x8000 != 0 => data = u32_at(block, 7)?,
            _ => {}
        }
        at = at.checked_add(size.max(7))?.checked_add(data)?;
    }
}

/// A number in RAR 5: seven bits per byte, the lowest first.
fn vint(bytes: &[u8], at: &mut usize) -> Option<usize> {
    let mut number = 0;
    for shift in (0..56).step_by(7) {
        let byte = *bytes.get(*at)?;
        *at += 1;
        number |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// <https://www.rarlab.com/technote.htm>
fn rar5(bytes: &[u8], archive: &mut Archive) -> Option<()> {
    let mut at: usize = 8;
    loop {
        let mut next = at.checked_add(4)?;
        let size = vint(bytes, &mut next)?;
        let end = next.checked_add(size)?;
        let (kind, flags) = (vint(bytes, &mut next)?, vint(bytes, &mut next)?);
        let extra = if flags & 1 != 0 { vint(bytes, &mut next)? } else { 0 };
        let data = if flags & 2 != 0 { vint(bytes, &mut next)? } else { 0 };
        match kind {
            4 => {
                archive.is_locked = true;
                return None;
            }
            2 => {
                let file = vint(bytes, &mut next)?;
                vint(bytes, &mut next)?;
                vint(bytes, &mut next)?;
                next += if file & 2 != 0 { 4 } else { 0 };
                next += if file & 4 != 0 { 4 } else { 0 };
                vint(bytes, &mut next)?;
                vint(bytes, &mut next)?;
                let length = vint(bytes, &mut next)?;
                let name = bytes.get(next..next.checked_add(length)?)?;
                // The first record of the extra area: 1 is encryption.
                let mut record = end.checked_sub(extra)?;
                if extra > 0 {
                    vint(bytes, &mut record)?;
                    archive.is_locked |= vint(bytes, &mut record)? == 1;
                }
                if !archive.add_bytes(name) {
                    return None;
                }
            }
            _ => {}
        }
        at = end.max(at + 1).checked_add(data)?;
    }
}

/// 7zFormat.txt: the header at the end, unless it is packed itself.
fn seven_zip(bytes: &[u8], archive: &mut Archive) -> Option<()> {
    const AES: &[u8] = b"\x06\xf1\x07\x01";
    let start = u64_at(bytes, 12)?.checked_add(32)?;
    let header = bytes.get(start..start.checked_add(u64_at(bytes, 20)?)?)?;
    archive.is_locked = memmem::find(header, AES).is_some();
    if header.first() != Some(&1) {
        return None;
    }
    // The property of names: 0x11, its size, 0 for names that follow directly, names.
    for at in memchr::memchr_iter(0x11, header) {
        let (size, first) = match (header.get(at + 1), header.get(at + 2)) {
            (Some(size @ 0..=0x7f), _) => (usize::from(*size), at + 2),
            (Some(high @ 0x80..=0xbf), Some(low)) => {
                (usize::from(high & 0x3f) << 8 | usize::from(*low), at + 3)
            }
            (Some(high @ 0xc0..=0xdf), Some(_)) => {
                (usize::from(high & 0x1f) << 16 | u16_at(header, at + 2)?, at + 4)
            }
            _ => continue,
        };
        let Some([0, names @ ..]) = header.get(first..first + size) else { continue };
        if names.len() % 2 != 0 || !names.ends_with(&[0, 0]) {
            continue;
        }
        let units = names.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]]));
        let all = String::from_utf16_lossy(&units.collect::<Vec<u16>>());
        for name in all.split_terminator('\0').filter(|name| name.len() <= LONGEST_NAME) {
            if !archive.add(name) {
                break;
            }
        }
        return Some(());
    }
    None
}

/// MS-OXTNEF §2.1.3: attributes of level, id, length, data, checksum;
/// §2.1.3.3.12: the title of an attachment, and the long name among its MAPI
/// properties.
fn tnef(bytes: &[u8], archive: &mut Archive) -> Option<()> {
    const TITLE: usize = 0x0001_8010;
    const PROPERTIES: usize = 0x0006_9005;
    let mut at: usize = 6;
    loop {
        let (id, length) = (u32_at(bytes, at.checked_add(1)?)?, u32_at(bytes, at + 5)?);
        let start = at + 9;
        let end = start.checked_add(length)?;
        let data = bytes.get(start..end)?;
        let more = match id {
            TITLE => archive.add_bytes(data.split(|byte| *byte == 0).next()?),
            PROPERTIES => long_names(data, archive),
            _ => true,
        };
        if !more {
            return None;
        }
        at = end.checked_add(2)?;
    }
}

/// PidTagAttachLongFilename (0x3707), as bytes (0x1e) or UTF-16 (0x1f): the
/// number of values, the length, the name.
fn long_names(data: &[u8], archive: &mut Archive) -> bool {
    let name = |tag: &[u8]| {
        let at = memmem::find(data, tag)?;
        data.get(at + 12..)?.get(..u32_at(data, at + 8)?)
    };
    if let Some(name) = name(b"\x1e\0\x07\x37") {
        return archive.add_bytes(name.split(|byte| *byte == 0).next().unwrap_or_default());
    }
    match name(b"\x1f\0\x07\x37") {
        Some(name) if name.len() <= LONGEST_NAME => {
            let name = charset::decode(Some("utf-16le"), name);
            archive.add(name.trim_end_matches('\0'))
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn member(name: &str, flags: u8) -> Vec<u8> {
        let mut bytes = b"PK\x03\x04\x14\0".to_vec();
        bytes.push(flags);
        bytes.resize(26, 0);
        bytes.extend([name.len() as u8, 0, 0, 0]);
        bytes.extend(name.as_bytes());
        bytes
    }

    fn names(bytes: &[u8]) -> Vec<String> {
        read(bytes).names
    }

    #[test]
    fn zip_files() {
        let archive = [member("a/b.exe", 0), b"content".to_vec(), member("日本.txt", 0)].concat();
        assert_eq!(
            read(&archive),
            Archive { names: vec!["a/b.exe".into(), "日本.txt".into()], is_locked: false }
        );
        assert!(read(&member("x", 1)).is_locked);
        let mut directory = b"PK\x01\x02".to_vec();
        directory.resize(46, 0);
        directory[28] = 7;
        directory.extend(b"a/b.exe");
        assert_eq!(names(&[archive, directory].concat()), ["a/b.exe", "日本.txt"]);
        assert_eq!(names(&member("x", 0).repeat(3)), ["x"]);
        let many: Vec<u8> = (0..3000).flat_map(|n| member(&n.to_string(), 0)).collect();
        assert_eq!(names(&many).len(), NAMES_LIMIT);
    }

    #[test]
    fn rar_files() {
        let mut file = b"\0\0\x74\x04\0\x25\0\x03\0\0\0".to_vec();
        file.resize(26, 0);
        file.extend([5, 0, 0, 0, 0, 0]);
        file.extend(b"x.exe");
        let archive =
            [b"Rar!\x1a\x07\0".as_slice(), b"\0\0\x73\0\0\x0d\0\0\0\0\0\0\0", &file, b"abc", &file]
                .concat();
        assert_eq!(read(&archive), Archive { names: vec!["x.exe".into()], is_locked: true });
        // Size, type, flags, file flags, size, attributes, packing, system, name.
        let file = b"\0\0\0\0\x0d\x02\0\0\x05\0\0\0\x05x.exe";
        assert_eq!(names(&[b"Rar!\x1a\x07\x01\0".as_slice(), file].concat()), ["x.exe"]);
        assert!(read(b"Rar!\x1a\x07\x01\0\0\0\0\0\x02\x04\0").is_locked);
    }

    #[test]
    fn seven_zip_files() {
        let mut header = b"\x01\x05\x01\x11\x0d\0".to_vec();
        header.extend("x.exe\0".encode_utf16().flat_map(u16::to_le_bytes));
        header.push(0);
        let mut archive = b"7z\xbc\xaf\x27\x1c\0\x04\0\0\0\0".to_vec();
        archive.extend(0_u64.to_le_bytes());
        archive.extend((header.len() as u64).to_le_bytes());
        archive.extend([0; 4]);
        archive.extend(&header);
        assert_eq!(names(&archive), ["x.exe"]);
    }

    #[test]
    fn tnef_files() {
        let attribute = |id: u32, data: &[u8]| {
            let mut bytes = vec![2];
            bytes.extend(id.to_le_bytes());
            bytes.extend((data.len() as u32).to_le_bytes());
            bytes.extend(data);
            bytes.extend([0, 0]);
            bytes
        };
        let long = b"\x01\0\0\0\x1e\0\x07\x37\x01\0\0\0\x0a\0\0\0long-x.exe";
        let archive = [
            b"\x78\x9f\x3e\x22\x01\0".to_vec(),
            attribute(0x0001_8010, b"LONG-X~1.EXE\0"),
            attribute(0x0006_9005, long),
        ];
        assert_eq!(names(&archive.concat()), ["LONG-X~1.EXE", "long-x.exe"]);
    }

    proptest! {
        #[test]
        fn nothing_panics(kind in 0..5_usize, bytes in proptest::collection::vec(prop_oneof![any::<u8>(), Just(0), Just(0x11)], 0..200)) {
            let start = [b"PK\x03\x04".as_slice(), b"Rar!\x1a\x07\0", b"Rar!\x1a\x07\x01\0", SEVEN_ZIP, TNEF][kind];
            let bytes = [start, &bytes].concat();
            prop_assert!(is_archive(&bytes));
            prop_assert!(read(&bytes).names.len() <= NAMES_LIMIT);
        }
    }
}
