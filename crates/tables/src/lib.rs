//! Tables: CSV and XLSX in both directions, imports of files into the database, and phone numbers as people write them.

pub mod country;
pub mod csv_table;
pub mod file_import;
pub mod phone_number;
pub mod table_export;
pub mod table_file;
pub mod truth_value;
