//! What a run or an undo says, line by line.

/// Tells whether a line says that the action with this id, or of this kind, came to this end.
pub fn tell(text: &str, result: &str, id: &str) -> bool {
    let start = format!("-- {result}: ");
    text.lines().any(|line| {
        line.starts_with(&start) && (line.ends_with(&format!("({id})")) || line.contains(&format!("({id}:")))
    })
}
