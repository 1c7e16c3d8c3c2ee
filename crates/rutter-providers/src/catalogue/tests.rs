mod changes;
mod conflicts;
mod verdicts;
